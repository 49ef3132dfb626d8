-- What a row of the days, or of what is pending, counts in the period from $1 to $2 that it is in or
-- before.
CASE WHEN {row}.day < $1 THEN {row}.quantity END,
CASE WHEN {row}.day >= $1 THEN {row}.in_quantity END,
CASE WHEN {row}.day >= $1 THEN {row}.out_quantity END,
CASE WHEN {row}.day >= $1 THEN {row}.move_count END,
CASE WHEN {row}.day < $1 THEN {row}.move_count END
{value:, CASE WHEN {row}.day < $1 THEN {row}.value END,
CASE WHEN {row}.day >= $1 THEN {row}.value END}
