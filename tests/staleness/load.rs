use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use postgres::Error;
use postgres::error::SqlState;

use super::History;

/// A value for each counter that was asked for, and when they were computed, if that is known.
pub struct Answer {
    pub values: Vec<u64>,
    pub computed_at: u64,
}

pub trait Reader {
    fn read(&mut self, counters: &[usize]) -> Result<Answer, Error>;
}

pub trait Writer {
    /// Raises the counters in one transaction and notes it in the history.
    fn write(&mut self, counters: &[usize], history: &History) -> Result<(), Error>;
}

/// What an answer may not be older than.
#[derive(Clone, Copy)]
pub enum Floor {
    Committed,
    Delivered,
}

pub struct Load<'a> {
    pub history: &'a History,
    pub readers: usize,
    pub writers: usize,
    /// Reading ends with this many answers.
    pub checks: u64,
    /// … or with the first stale one …
    pub until_stale: bool,
    /// … or after this time.
    pub limit: Duration,
    pub floor: Floor,
    /// Between two writes of a writer, on average.
    pub pace: Duration,
    /// Sessions that the server ends are begun again.
    pub reconnect: bool,
    /// Who holds it stops the writers, between two transactions.
    pub gate: RwLock<()>,
}

/// A long run says now and then how far it is.
const PROGRESS: u64 = 20_000;

#[derive(Debug, Default)]
pub struct Outcome {
    pub checks: u64,
    /// Answers that had been computed before they were asked for.
    pub hits: u64,
    pub writes: u64,
    pub seconds: f64,
    pub stale: Vec<Stale>,
}

#[derive(Clone, Debug)]
pub struct Stale {
    pub reader: usize,
    pub counter: usize,
    pub answer: u64,
    pub floor: u64,
    /// How long before the question it was computed, in microseconds.
    pub age: u64,
}

impl Outcome {
    pub fn hit_rate(&self) -> f64 {
        self.hits as f64 / self.checks.max(1) as f64
    }
}

/// Signals the others when its thread ends, in a panic too.
pub struct Ending<'a>(pub &'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Load<'_> {
    /// `reader` and `writer` make those with the given number; `meanwhile` runs beside them until
    /// it is told to end, or ends them itself by telling so.
    pub fn run(
        &self,
        reader: impl Fn(usize) -> Result<Box<dyn Reader>, Error> + Sync,
        writer: impl Fn(usize) -> Result<Box<dyn Writer>, Error> + Sync,
        meanwhile: impl FnOnce(&AtomicBool) + Send,
    ) -> Outcome {
        let ended = AtomicBool::new(false);
        let [checks, hits, writes] = [const { AtomicU64::new(0) }; 3];
        let stale = Mutex::new(Vec::new());
        let started = Instant::now();
        thread::scope(|scope| {
            for number in 0..self.writers {
                let (ended, writes, writer) = (&ended, &writes, &writer);
                scope.spawn(move || {
                    let _ending = Ending(ended);
                    self.keep(ended, &|| writer(number), &mut |writer| {
                        let gate = self.gate.read().expect("the gate");
                        writer.write(&self.choose(), self.history)?;
                        drop(gate);
                        writes.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(self.pace.mul_f64(2.0 * rand::random::<f64>()));
                        Ok(true)
                    });
                });
            }
            for number in 0..self.readers {
                let (ended, checks, hits) = (&ended, &checks, &hits);
                let (reader, stale) = (&reader, &stale);
                scope.spawn(move || {
                    let _ending = Ending(ended);
                    self.keep(ended, &|| reader(number), &mut |reader| {
                        let (hit, found) = self.check(number, &mut **reader, &self.choose())?;
                        hits.fetch_add(u64::from(hit), Ordering::Relaxed);
                        let answers = checks.fetch_add(1, Ordering::Relaxed) + 1;
                        if answers.is_multiple_of(PROGRESS) {
                            let stale = stale.lock().expect("what was stale").len();
                            eprintln!("{answers} answers, {stale} stale");
                        }
                        let enough = answers >= self.checks
                            || (self.until_stale && !found.is_empty())
                            || started.elapsed() > self.limit;
                        stale.lock().expect("what was stale").extend(found);
                        Ok(!enough)
                    });
                });
            }
            let ended = &ended;
            scope.spawn(move || {
                let ending = Ending(ended);
                meanwhile(ended);
                std::mem::forget(ending);
            });
        });
        Outcome {
            checks: checks.into_inner(),
            hits: hits.into_inner(),
            writes: writes.into_inner(),
            seconds: started.elapsed().as_secs_f64(),
            stale: stale.into_inner().expect("what was stale"),
        }
    }

    /// Works with one session after the other until told to end, or the work says it is done.
    fn keep<S>(
        &self,
        ended: &AtomicBool,
        begin: &dyn Fn() -> Result<S, Error>,
        work: &mut dyn FnMut(&mut S) -> Result<bool, Error>,
    ) {
        while !ended.load(Ordering::SeqCst) {
            let worked = begin().and_then(|mut session| {
                while !ended.load(Ordering::SeqCst) {
                    if !work(&mut session)? {
                        return Ok(());
                    }
                }
                Ok(())
            });
            match worked {
                Ok(()) => return,
                Err(error) if self.reconnect && is_lost(&error) => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// One counter or two neighbours, the lower first: writers lock them in this order.
    fn choose(&self) -> Vec<usize> {
        let first = rand::random_range(0..self.history.counters() - 1);
        if rand::random_bool(0.6) {
            vec![first]
        } else {
            vec![first, first + 1]
        }
    }

    fn check(
        &self,
        number: usize,
        reader: &mut dyn Reader,
        counters: &[usize],
    ) -> Result<(bool, Vec<Stale>), Error> {
        let history = self.history;
        let floors: Vec<u64> = counters
            .iter()
            .map(|counter| match self.floor {
                Floor::Committed => history.committed(*counter),
                Floor::Delivered => history.delivered(*counter),
            })
            .collect();
        let asked_at = microseconds();
        let answer = reader.read(counters)?;
        assert_eq!(answer.values.len(), counters.len(), "an incomplete answer");
        let mut stale = Vec::new();
        for ((counter, floor), value) in counters.iter().zip(floors).zip(&answer.values) {
            assert!(
                *value <= history.attempted(*counter),
                "counter {counter} never was {value}"
            );
            if *value < floor {
                stale.push(Stale {
                    reader: number,
                    counter: *counter,
                    answer: *value,
                    floor,
                    age: asked_at.saturating_sub(answer.computed_at),
                });
            }
        }
        Ok((answer.computed_at < asked_at, stale))
    }
}

/// Whether the server ended the session, or is not there to begin one.
fn is_lost(error: &Error) -> bool {
    let ending = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    match error.code() {
        Some(code) => ending.contains(code),
        None => true,
    }
}

/// Of the clock that PostgreSQL's clock_timestamp() reads.
pub fn microseconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.expect("a clock after 1970").as_micros()).expect("a clock of this age")
}
