-- Schema 6: no function and no list in what an index says. For a function each statement that inserts several rows keeps a
-- journal of its own, a copy of every page that it changes; and for each row a list is made a table of.

DROP INDEX steps_once;
DROP INDEX steps_troubled;
CREATE UNIQUE INDEX steps_once ON steps (item, step, run, attempt, CASE WHEN status < 2 THEN status ELSE 2 END);
CREATE INDEX steps_troubled ON steps (at, status) WHERE status > 2 AND status < 6;
