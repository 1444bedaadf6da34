-- The template that a client was made from, by its name in the configuration: what it said when the client was made
-- or last brought up to date (its digest), and which members are the client's own (a JSON array of names).
ALTER TABLE bindings ADD COLUMN template TEXT;
ALTER TABLE bindings ADD COLUMN template_digest BLOB CHECK (length(template_digest) = 32);
ALTER TABLE bindings ADD COLUMN template_own TEXT CHECK ((template_own IS NULL) = (template IS NULL));

CREATE INDEX bindings_by_template ON bindings (template) WHERE template IS NOT NULL;
