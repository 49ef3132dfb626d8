//! Movements: the legs of one key and day, summed.

use super::Leg;
use crate::calendar::Month;
use crate::sum::Sum;

/// What happened to one key on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    pub month: Month,
    pub key: u32,
    pub day_of_month: u8,
    pub in_quantity: Sum,
    pub out_quantity: Sum,
    pub value_change: Sum,
    pub move_count: i64,
}

impl Movement {
    pub fn day(&self) -> i32 {
        self.month.first_day() + i32::from(self.day_of_month) - 1
    }

    pub fn changes_nothing(&self) -> bool {
        self.move_count == 0
            && self.in_quantity.is_zero()
            && self.out_quantity.is_zero()
            && self.value_change.is_zero()
    }

    fn starting_with(leg: &Leg) -> Self {
        let mut movement = Self {
            month: leg.month,
            key: leg.key,
            day_of_month: leg.day_of_month,
            in_quantity: Sum::default(),
            out_quantity: Sum::default(),
            value_change: Sum::default(),
            move_count: 0,
        };
        movement.apply(leg);
        movement
    }

    fn apply(&mut self, leg: &Leg) {
        let side = if leg.quantity < 0 {
            &mut self.out_quantity
        } else {
            &mut self.in_quantity
        };
        let magnitude = Sum::of(leg.quantity, leg.quantity_scale);
        // The side that goes out is counted in positive numbers.
        if (leg.quantity < 0) == leg.retract {
            side.add(magnitude);
        } else {
            side.subtract(magnitude);
        }
        let value = Sum::of(leg.value, leg.value_scale);
        if leg.retract {
            self.value_change.subtract(value);
            self.move_count -= 1;
        } else {
            self.value_change.add(value);
            self.move_count += 1;
        }
    }
}

/// Groups legs in order into movements.
pub struct Movements<I: Iterator<Item = Leg>> {
    legs: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = Leg>> Movements<I> {
    pub fn new(legs: I) -> Self {
        Self {
            legs: legs.peekable(),
        }
    }
}

impl<I: Iterator<Item = Leg>> Iterator for Movements<I> {
    type Item = Movement;

    fn next(&mut self) -> Option<Movement> {
        let first = self.legs.next()?;
        let mut movement = Movement::starting_with(&first);
        while let Some(leg) = self.legs.next_if(|leg| leg.order() == first.order()) {
            movement.apply(&leg);
        }
        Some(movement)
    }
}
