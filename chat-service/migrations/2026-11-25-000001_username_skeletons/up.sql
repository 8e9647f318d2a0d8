-- Names that look alike have the same skeleton (UTS #39, section 4). The service computes it at registration, and for
-- older users after the migrations. It is NULL if an older user has the same one: both accounts stay, and no third one
-- can take a similar name. Versions of the service that do not know the column leave it NULL.
ALTER TABLE users ADD COLUMN username_skeleton TEXT COLLATE "C";

CREATE UNIQUE INDEX idx_users_username_skeleton ON users (username_skeleton);
