-- Schema 3: an attempt that waits or runs has a row of its own beside the one of its end; what is said of a step.
-- SQLite cannot drop a constraint, so the table is made anew.

DROP VIEW ledger;
DROP TRIGGER steps_never_change;
DROP TRIGGER steps_never_go;
DROP INDEX steps_of_run;
DROP INDEX steps_failed;
DROP INDEX steps_again;
ALTER TABLE steps RENAME TO steps_before;

CREATE TABLE steps (
    seq        INTEGER PRIMARY KEY,
    run        INTEGER NOT NULL,  -- words.id; 0 = none
    step       INTEGER NOT NULL,  -- words.id
    item       TEXT    NOT NULL,  -- longer ones: x'FF' and their blake3, the text being in long_item
    attempt    INTEGER NOT NULL,
    status     INTEGER NOT NULL,  -- 0 pending 1 running 2 success 3 warning 4 error 5 failed 6 skipped
    key        INTEGER NOT NULL,  -- words.id
    digest     BLOB    NOT NULL,
    row_digest INTEGER NOT NULL,  -- xxh3-64 of all that the row says
    seconds    REAL    NOT NULL,
    at         REAL    NOT NULL,
    address    TEXT,
    error      TEXT,
    result     BLOB,
    long_item  TEXT,
    details    TEXT,              -- JSON
    metrics    TEXT               -- JSON
);
INSERT INTO steps
SELECT seq, run, step, item, attempt, status, key, digest, row_digest, seconds, at, address, error, result, long_item,
       NULL, NULL
FROM steps_before ORDER BY seq;
DROP TABLE steps_before;

-- Each attempt waits once, runs once and ends once: a late start never takes the place of an end.
CREATE UNIQUE INDEX steps_once ON steps (item, step, run, attempt, min(status, 2));
-- Pages of a run's steps in their order, and counting them without touching the rows.
CREATE INDEX steps_of_run ON steps (run, seq, step, status);
CREATE INDEX steps_troubled ON steps (at, status) WHERE status IN (3, 4, 5);
CREATE INDEX steps_open ON steps (seq) WHERE status < 2;
CREATE INDEX steps_more ON steps (run, step, item) WHERE attempt <> 1 OR status < 2;

CREATE TRIGGER steps_never_change BEFORE UPDATE ON steps BEGIN
    SELECT RAISE(ABORT, 'a step that was recorded never changes');
END;
CREATE TRIGGER steps_never_go BEFORE DELETE ON steps WHEN (SELECT is_dropping FROM meta) = 0 BEGIN
    SELECT RAISE(ABORT, 'steps are deleted by drop() alone');
END;

CREATE VIEW ledger AS
SELECT s.seq, r.text AS run, n.text AS step, coalesce(s.long_item, s.item) AS item, s.attempt,
       CASE s.status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'success' WHEN 3 THEN 'warning'
                     WHEN 4 THEN 'error' WHEN 5 THEN 'failed' ELSE 'skipped' END AS status,
       s.seconds, s.at, s.error, s.address, k.text AS key, s.details, s.metrics
FROM steps s JOIN words r ON r.id = s.run JOIN words n ON n.id = s.step JOIN words k ON k.id = s.key;
