-- When the request was made. After some days it is forgotten.
ALTER TABLE reaction_requests ADD COLUMN at TIMESTAMPTZ NOT NULL DEFAULT now();
CREATE INDEX reaction_requests_at ON reaction_requests (at);
