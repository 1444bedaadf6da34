-- The template that a client was made from, by its name in the configuration: what it said when the client was made
-- or last brought up to date (its digest), and which members are the client's own (a JSON array of names).
ALTER TABLE bindings
    ADD COLUMN template text,
    ADD COLUMN template_digest bytea CHECK (length(template_digest) = 32),
    ADD COLUMN template_own text CHECK ((template_own IS NULL) = (template IS NULL));

CREATE INDEX bindings_by_template ON bindings (template) WHERE template IS NOT NULL;
