-- Schema 2: scenarios, what watched stages read, metrics, substages, and what a decision differs from.

ALTER TABLE runs ADD COLUMN scenario TEXT;

ALTER TABLE decisions ADD COLUMN is_redacted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decisions ADD COLUMN "default" TEXT;
UPDATE decisions SET is_redacted = 1, note = NULL WHERE note = 'redacted';

ALTER TABLE stages ADD COLUMN parent TEXT;
ALTER TABLE stages ADD COLUMN metrics TEXT NOT NULL DEFAULT '{}';
ALTER TABLE results ADD COLUMN metrics TEXT NOT NULL DEFAULT '{}';

-- Versions of named sets of decisions; none is ever changed or deleted, a removal is a version too.
CREATE TABLE scenarios (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT    NOT NULL,
    process   TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    decisions TEXT    NOT NULL,
    address   TEXT,
    left_out  TEXT    NOT NULL,
    who       TEXT    NOT NULL,
    host      TEXT    NOT NULL,
    at        REAL    NOT NULL,
    note      TEXT,
    removed   INTEGER NOT NULL,
    UNIQUE (process, name, version)
);
CREATE INDEX scenarios_by_id ON scenarios (id);

-- What a computation read that did not declare what it takes; the newest whose reads still hold has the result.
CREATE TABLE traces (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    code  TEXT NOT NULL,
    key   TEXT NOT NULL UNIQUE,
    stage TEXT NOT NULL,
    reads BLOB NOT NULL,
    at    REAL NOT NULL
);
CREATE INDEX traces_of_code ON traces (code);
