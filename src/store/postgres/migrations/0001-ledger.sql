-- The ledger, what decisions take and leave, and who writes. The same tables as in SQLite, in a schema of their own.
-- Times are microseconds since 1970-01-01T00:00:00Z. Decisions are ULIDs, so their order is the order of time.

-- A writer appends to its own chain and holds it by a lease: another may close its open decisions only when the
-- heartbeat did not move for as long as the lease. `commits` counts its transactions: after a connection was lost
-- it tells whether the last one took effect.
CREATE TABLE writers (
  name       TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
  epoch      BIGINT  NOT NULL CHECK (epoch >= 1),
  heartbeat  BIGINT  NOT NULL,
  commits    BIGINT  NOT NULL DEFAULT 0
);

-- Append-only. An admitted decision is `opened`, then `closed` or `interrupted`; a refused one is `closed` alone.
-- `hash` covers every column before it and `previous`, the hash of the entry before (zeros for the first).
CREATE TABLE entries (
  writer     TEXT    NOT NULL REFERENCES writers (name),
  seq        BIGINT  NOT NULL CHECK (seq >= 1),
  decision   TEXT    COLLATE "C" CHECK (length(decision) = 26),
  kind       TEXT    NOT NULL CHECK (kind IN ('opened', 'closed', 'interrupted', 'summary', 'note')),
  outcome    TEXT    CHECK (length(outcome) BETWEEN 1 AND 32),
  time       BIGINT  NOT NULL,
  body       BYTEA   NOT NULL,
  hash       BYTEA   NOT NULL CHECK (length(hash) = 32),
  previous   BYTEA   NOT NULL CHECK (length(previous) = 32),
  PRIMARY KEY (writer, seq),
  CHECK ((kind IN ('opened', 'closed', 'interrupted')) = (decision IS NOT NULL)),
  CHECK ((kind IN ('closed', 'interrupted')) = (outcome IS NOT NULL))
);

-- A decision is opened once and ends once.
CREATE UNIQUE INDEX entries_opened ON entries (decision) WHERE kind = 'opened';
CREATE UNIQUE INDEX entries_ended  ON entries (decision) WHERE outcome IS NOT NULL;
CREATE INDEX entries_by_outcome    ON entries (outcome, decision) WHERE outcome IS NOT NULL;

CREATE FUNCTION entries_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: entries are not changed, deleted or truncated'
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE OR DELETE ON entries
  FOR EACH ROW EXECUTE FUNCTION entries_are_kept();

CREATE TRIGGER entries_are_not_truncated BEFORE TRUNCATE ON entries
  FOR EACH STATEMENT EXECUTE FUNCTION entries_are_kept();

CREATE FUNCTION entries_take_the_next_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM entries WHERE writer = NEW.writer) THEN
    RAISE EXCEPTION 'the ledger is append-only: an entry takes the next number of its writer'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER entries_follow_each_other BEFORE INSERT ON entries
  FOR EACH ROW EXECUTE FUNCTION entries_take_the_next_number();

-- Single-use things that decisions took. Without `expires` one stays until it is released. A quota has several units,
-- each of which one decision holds, numbered from 0 to the limit; whatever is single has the unit 0: the key alone
-- keeps two proxies from taking more than there are.
CREATE TABLE claims (
  kind       TEXT    NOT NULL CHECK (kind IN ('jti', 'slot', 'token-use', 'quota')),
  key        TEXT    NOT NULL,
  unit       INTEGER NOT NULL DEFAULT 0 CHECK (unit >= 0),
  decision   TEXT    NOT NULL CHECK (length(decision) = 26),
  expires    BIGINT,
  taken      BIGINT  NOT NULL,
  PRIMARY KEY (kind, key, unit)
);

CREATE INDEX claims_by_expiry ON claims (expires) WHERE expires IS NOT NULL;

-- Requests that are being worked on, and the sealed answers of those that are done, by route, certificate and body.
CREATE TABLE answers (
  request    BYTEA   NOT NULL PRIMARY KEY CHECK (length(request) = 32),
  decision   TEXT    COLLATE "C" NOT NULL CHECK (length(decision) = 26),
  writer     TEXT    NOT NULL REFERENCES writers (name),
  state      TEXT    NOT NULL CHECK (state IN ('open', 'answered')),
  expires    BIGINT  NOT NULL,
  key_id     TEXT,
  sealed     BYTEA,
  CHECK ((state = 'answered') = (sealed IS NOT NULL)),
  CHECK ((state = 'answered') = (key_id IS NOT NULL))
);

CREATE INDEX answers_by_expiry ON answers (expires) WHERE state = 'answered';
CREATE INDEX answers_open      ON answers (writer) WHERE state = 'open';

-- What a deleted client gives back; of the many that expire by themselves none is in it.
CREATE INDEX claims_that_stay ON claims (decision) WHERE expires IS NULL;

-- Who owns a registered client, and what management (RFC 7592) needs to know of it. A registration access token is
-- here as a fingerprint and, where the deployment keeps it, sealed; `metadata` is JSON as last admitted.
CREATE TABLE bindings (
  upstream            TEXT    NOT NULL,
  client_id           TEXT    NOT NULL,
  authority           TEXT,
  organisation        TEXT,
  software            TEXT,
  policy              TEXT    NOT NULL,
  certificate         BYTEA   CHECK (length(certificate) = 32),
  certificate_expires BIGINT,
  subject             TEXT,
  token_fingerprint   BYTEA   CHECK (length(token_fingerprint) = 32),
  token_expires       BIGINT,
  token_key_id        TEXT,
  sealed_token        BYTEA,
  metadata            TEXT    NOT NULL DEFAULT '{}',
  decision            TEXT    NOT NULL CHECK (length(decision) = 26),
  registered          BIGINT  NOT NULL,
  updated             BIGINT,
  PRIMARY KEY (upstream, client_id),
  CHECK ((sealed_token IS NULL) = (token_key_id IS NULL))
);

-- A token that is known for another client is refused before anybody else sees it.
CREATE INDEX bindings_by_token ON bindings (token_fingerprint) WHERE token_fingerprint IS NOT NULL;
