-- The ledger, what decisions take and leave, and who writes.
-- Times are microseconds since 1970-01-01T00:00:00Z. Decisions are ULIDs, so their order is the order of time.

-- A writer appends to its own chain and holds it by a lease: another may close its open decisions only when the
-- heartbeat is older than the lease.
CREATE TABLE writers (
  name       TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
  epoch      INTEGER NOT NULL CHECK (epoch >= 1),
  heartbeat  INTEGER NOT NULL
) STRICT;

-- Append-only. An admitted decision is `opened`, then `closed` or `interrupted`; a refused one is `closed` alone.
-- `hash` covers every column before it and `previous`, the hash of the entry before (zeros for the first).
CREATE TABLE entries (
  writer     TEXT    NOT NULL REFERENCES writers (name),
  seq        INTEGER NOT NULL CHECK (seq >= 1),
  decision   TEXT    CHECK (length(decision) = 26),
  kind       TEXT    NOT NULL CHECK (kind IN ('opened', 'closed', 'interrupted', 'summary', 'note')),
  outcome    TEXT    CHECK (length(outcome) BETWEEN 1 AND 32),
  time       INTEGER NOT NULL,
  body       BLOB    NOT NULL,
  hash       BLOB    NOT NULL CHECK (length(hash) = 32),
  previous   BLOB    NOT NULL CHECK (length(previous) = 32),
  PRIMARY KEY (writer, seq),
  CHECK ((kind IN ('opened', 'closed', 'interrupted')) = (decision IS NOT NULL)),
  CHECK ((kind IN ('closed', 'interrupted')) = (outcome IS NOT NULL))
) STRICT;

-- A decision is opened once and ends once.
CREATE UNIQUE INDEX entries_opened ON entries (decision) WHERE kind = 'opened';
CREATE UNIQUE INDEX entries_ended  ON entries (decision) WHERE outcome IS NOT NULL;
CREATE INDEX entries_by_outcome    ON entries (outcome, decision) WHERE outcome IS NOT NULL;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE (ABORT, 'the ledger is append-only: entries are not changed'); END;

CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE (ABORT, 'the ledger is append-only: entries are not deleted'); END;

-- Also what stops INSERT OR REPLACE, which deletes without firing a trigger.
CREATE TRIGGER entries_follow_each_other BEFORE INSERT ON entries
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM entries WHERE writer = NEW.writer)
BEGIN SELECT RAISE (ABORT, 'the ledger is append-only: an entry takes the next number of its writer'); END;

-- Single-use things that decisions took. Without `expires` one stays until it is released.
CREATE TABLE claims (
  kind       TEXT    NOT NULL CHECK (kind IN ('jti', 'slot', 'token-use', 'quota')),
  key        TEXT    NOT NULL,
  decision   TEXT    NOT NULL CHECK (length(decision) = 26),
  expires    INTEGER,
  taken      INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_by_expiry ON claims (expires) WHERE expires IS NOT NULL;

-- Requests that are being worked on, and the sealed answers of those that are done, by route, certificate and body.
CREATE TABLE answers (
  request    BLOB    NOT NULL PRIMARY KEY CHECK (length(request) = 32),
  decision   TEXT    NOT NULL CHECK (length(decision) = 26),
  writer     TEXT    NOT NULL REFERENCES writers (name),
  state      TEXT    NOT NULL CHECK (state IN ('open', 'answered')),
  expires    INTEGER NOT NULL,
  key_id     TEXT,
  sealed     BLOB,
  CHECK ((state = 'answered') = (sealed IS NOT NULL)),
  CHECK ((state = 'answered') = (key_id IS NOT NULL))
) STRICT;

CREATE INDEX answers_by_expiry ON answers (expires) WHERE state = 'answered';

-- Who owns a registered client.
CREATE TABLE bindings (
  upstream          TEXT    NOT NULL,
  client_id         TEXT    NOT NULL,
  authority         TEXT,
  organisation      TEXT,
  software          TEXT,
  policy            TEXT    NOT NULL,
  certificate       BLOB    CHECK (length(certificate) = 32),
  subject           TEXT,
  token_fingerprint BLOB    CHECK (length(token_fingerprint) = 32),
  decision          TEXT    NOT NULL CHECK (length(decision) = 26),
  registered        INTEGER NOT NULL,
  PRIMARY KEY (upstream, client_id)
) STRICT, WITHOUT ROWID;
