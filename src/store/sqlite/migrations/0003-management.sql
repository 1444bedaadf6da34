-- What management (RFC 7592) needs to know of a client: when its registration access token and its certificate
-- expire, the token itself where the deployment keeps it (sealed), and its metadata as last admitted (JSON).
ALTER TABLE bindings ADD COLUMN certificate_expires INTEGER;
ALTER TABLE bindings ADD COLUMN token_expires INTEGER;
ALTER TABLE bindings ADD COLUMN token_key_id TEXT;
ALTER TABLE bindings ADD COLUMN sealed_token BLOB CHECK ((sealed_token IS NULL) = (token_key_id IS NULL));
ALTER TABLE bindings ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE bindings ADD COLUMN updated INTEGER;

-- A token that is known for another client is refused before anybody else sees it.
CREATE INDEX bindings_by_token ON bindings (token_fingerprint) WHERE token_fingerprint IS NOT NULL;

-- What a deleted client gives back; of the many that expire by themselves none is in it.
CREATE INDEX claims_that_stay ON claims (decision) WHERE expires IS NULL;
