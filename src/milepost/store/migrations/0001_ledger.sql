-- Schema 1: the ledger. Times are UTC epoch seconds.
-- A text that UTF-8 cannot hold is a blob; NaN is the text 'nan'; an integer of more than 64 bits is a blob of its hex.

-- One row about the store itself.
CREATE TABLE meta (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    store_id    TEXT    NOT NULL,
    written_by  TEXT    NOT NULL,             -- the version of Milepost that made or last migrated these tables
    durable_seq INTEGER NOT NULL DEFAULT 0,   -- +1 at each commit that survives a power cut: it must change a page
    indexed_seq INTEGER NOT NULL DEFAULT 0,   -- done_items knows all steps up to this one
    drops       INTEGER NOT NULL DEFAULT 0,   -- +1 when steps were deleted: seqs may come again
    is_dropping INTEGER NOT NULL DEFAULT 0    -- 1 only inside the transaction of drop(): steps may be deleted
);

-- Long texts that many steps share (runs, steps, stage keys) as small numbers. Never deleted: processes remember them.
CREATE TABLE words (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);

CREATE TABLE runs (
    rowid          INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL UNIQUE,
    process        TEXT NOT NULL,
    decisions_hash TEXT NOT NULL,
    target         TEXT,
    cwd            TEXT,
    state          TEXT NOT NULL,
    cause          TEXT,
    epoch          INTEGER NOT NULL,
    created        REAL NOT NULL,
    ended          REAL
);
CREATE INDEX runs_of_process ON runs (process, decisions_hash, created);
CREATE INDEX runs_by_age ON runs (created);

CREATE TABLE sessions (
    rowid       INTEGER PRIMARY KEY,
    run         TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    host        TEXT NOT NULL,
    boot_id     TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    pid_started REAL NOT NULL,
    started     REAL NOT NULL,
    beat        REAL NOT NULL,
    ended       REAL,
    "end"       TEXT,
    cause       TEXT,
    python      TEXT NOT NULL,
    version     TEXT NOT NULL,
    oom_kills   INTEGER,
    UNIQUE (run, epoch)
);

CREATE TABLE decisions (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    run     TEXT NOT NULL,
    stage   TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    source  TEXT NOT NULL,
    who     TEXT NOT NULL,
    host    TEXT NOT NULL,
    at      REAL NOT NULL,
    note    TEXT,
    address TEXT
);
CREATE INDEX decisions_of_run ON decisions (run, stage, name);

CREATE TABLE stages (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    run          TEXT NOT NULL,
    stage        TEXT NOT NULL,
    epoch        INTEGER NOT NULL,
    process      TEXT NOT NULL,
    state        TEXT NOT NULL,
    position     INTEGER NOT NULL,
    key          TEXT,
    reason       TEXT NOT NULL,
    address      TEXT,
    reused_from  TEXT,
    started      REAL,
    ended        REAL,
    seconds      REAL,
    attempts     INTEGER NOT NULL,
    items_total  INTEGER,
    items_done   INTEGER NOT NULL,
    items_reused INTEGER NOT NULL,
    items_failed INTEGER NOT NULL,
    progress     REAL,
    message      TEXT,
    error        TEXT,
    traceback    TEXT,
    memory_bytes INTEGER,
    UNIQUE (run, stage, epoch)
);
CREATE INDEX stages_of_process ON stages (process, stage);
CREATE INDEX stages_by_key ON stages (key) WHERE key IS NOT NULL;

-- The steps. Each index costs a page per commit, and an index in random order a page per row: hence
-- `item` itself and not its hash in front of the unique one, and digests go to done_items, later and sorted.
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
    UNIQUE (item, step, run, attempt)
);
-- Pages of a run's steps in their order, and counting them without touching the rows.
CREATE INDEX steps_of_run ON steps (run, seq, step, status);
CREATE INDEX steps_failed ON steps (at) WHERE status IN (4, 5);
CREATE INDEX steps_again ON steps (run, step, item) WHERE attempt <> 1;

CREATE TRIGGER steps_never_change BEFORE UPDATE ON steps BEGIN
    SELECT RAISE(ABORT, 'a step that was recorded never changes');
END;
CREATE TRIGGER steps_never_go BEFORE DELETE ON steps WHEN (SELECT is_dropping FROM meta) = 0 BEGIN
    SELECT RAISE(ABORT, 'steps are deleted by drop() alone');
END;

-- Which step holds the result of an item's digest under a stage key: filled from steps in sorted portions.
CREATE TABLE done_items (
    key    INTEGER NOT NULL,
    digest BLOB    NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (key, digest, seq)
) WITHOUT ROWID;

CREATE TABLE results (
    rowid      INTEGER PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,
    address    TEXT NOT NULL,
    stage      TEXT NOT NULL,
    run        TEXT NOT NULL,
    seconds    REAL NOT NULL,
    size_bytes INTEGER NOT NULL,
    at         REAL NOT NULL,
    classes    TEXT NOT NULL
);

CREATE TABLE parts (
    rowid INTEGER PRIMARY KEY,
    key   TEXT NOT NULL UNIQUE,
    stage TEXT NOT NULL,
    parts BLOB NOT NULL,
    at    REAL NOT NULL
);
CREATE INDEX parts_of_stage ON parts (stage);

CREATE TABLE sources (
    rowid  INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    text   TEXT NOT NULL
);

CREATE TABLE accepted (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    stage TEXT NOT NULL,
    part  TEXT NOT NULL,
    old   TEXT NOT NULL,
    new   TEXT NOT NULL,
    who   TEXT NOT NULL,
    at    REAL NOT NULL
);
CREATE INDEX accepted_of_stage ON accepted (stage);

CREATE TABLE files (
    rowid      INTEGER PRIMARY KEY,
    path       TEXT NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL,
    mtime_ns   INTEGER NOT NULL,
    inode      INTEGER NOT NULL,
    digest     TEXT NOT NULL,
    at         REAL NOT NULL
);

CREATE TABLE events (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    at    REAL NOT NULL,
    run   TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    stage TEXT,
    v     INTEGER NOT NULL,
    json  TEXT NOT NULL
);
CREATE INDEX events_of_run ON events (run);

-- For people with a SQLite shell: the steps with their words.
CREATE VIEW ledger AS
SELECT s.seq, r.text AS run, n.text AS step, coalesce(s.long_item, s.item) AS item, s.attempt,
       CASE s.status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'success' WHEN 3 THEN 'warning'
                     WHEN 4 THEN 'error' WHEN 5 THEN 'failed' ELSE 'skipped' END AS status,
       s.seconds, s.at, s.error, s.address, k.text AS key
FROM steps s JOIN words r ON r.id = s.run JOIN words n ON n.id = s.step JOIN words k ON k.id = s.key;

INSERT INTO words (id, text) VALUES (0, '');
