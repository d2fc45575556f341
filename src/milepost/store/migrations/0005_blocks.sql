-- Schema 5: steps are counted by blocks of 8,192 seqs instead of indexed by their run, and hex names are kept as bytes.
-- A commit writes a page of each index that it touches; the blocks are filled later, with done_items.

DROP VIEW ledger;
DROP TRIGGER steps_never_change;
DROP INDEX steps_of_run;
DROP INDEX steps_open;

-- Which blocks hold steps of a run, and how many of each kind. Block n has the seqs from 8192 n + 1 to 8192 n + 8192;
-- meta.indexed_seq ends a block, and no block above it is here.
CREATE TABLE step_counts (
    run    INTEGER NOT NULL,
    block  INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    status INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (run, block, step, status)
) WITHOUT ROWID;
UPDATE meta SET indexed_seq = indexed_seq / 8192 * 8192;
INSERT INTO step_counts (run, block, step, status, count)
SELECT run, (seq - 1) / 8192, step, status, count(*)
FROM steps WHERE seq <= (SELECT indexed_seq FROM meta) GROUP BY 1, 2, 3, 4;

-- An item named by 32 hexadecimal digits, as those without key= are, is x'FE' and their 16 bytes. Where its digest is the
-- same, `digest` is the integer 1 from now on, and done_items has no row of it: its name is indexed.
DROP INDEX steps_once;
DROP INDEX steps_more;
UPDATE steps SET item = CAST(x'FE' || unhex(item) AS BLOB)
WHERE typeof(item) = 'text' AND length(item) = 32 AND item NOT GLOB '*[^0-9a-f]*';
CREATE UNIQUE INDEX steps_once ON steps (item, step, run, attempt, min(status, 2));
CREATE INDEX steps_more ON steps (run, step, item) WHERE attempt <> 1 OR status < 2;

CREATE TRIGGER steps_never_change BEFORE UPDATE ON steps BEGIN
    SELECT RAISE(ABORT, 'a step that was recorded never changes');
END;

CREATE VIEW ledger AS
SELECT s.seq, r.text AS run, n.text AS step,
       coalesce(s.long_item, CASE WHEN hex(s.item) GLOB 'FE*' THEN lower(substr(hex(s.item), 3)) ELSE s.item END) AS item,
       s.attempt,
       CASE s.status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'success' WHEN 3 THEN 'warning'
                     WHEN 4 THEN 'error' WHEN 5 THEN 'failed' ELSE 'skipped' END AS status,
       s.seconds, s.at, s.error, s.address, k.text AS key, s.details, s.metrics
FROM steps s JOIN words r ON r.id = s.run JOIN words n ON n.id = s.step JOIN words k ON k.id = s.key;
