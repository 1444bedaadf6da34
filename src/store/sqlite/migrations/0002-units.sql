-- A quota has several units, each of which one decision holds; whatever is single has the unit 0. Units are
-- numbered from 0 to the limit, so that the key alone keeps two proxies from taking more than there are.
CREATE TABLE claims_with_units (
  kind       TEXT    NOT NULL CHECK (kind IN ('jti', 'slot', 'token-use', 'quota')),
  key        TEXT    NOT NULL,
  unit       INTEGER NOT NULL DEFAULT 0 CHECK (unit >= 0),
  decision   TEXT    NOT NULL CHECK (length(decision) = 26),
  expires    INTEGER,
  taken      INTEGER NOT NULL,
  PRIMARY KEY (kind, key, unit)
) STRICT, WITHOUT ROWID;

INSERT INTO claims_with_units (kind, key, decision, expires, taken)
SELECT kind, key, decision, expires, taken FROM claims;

DROP TABLE claims;
ALTER TABLE claims_with_units RENAME TO claims;
CREATE INDEX claims_by_expiry ON claims (expires) WHERE expires IS NOT NULL;
