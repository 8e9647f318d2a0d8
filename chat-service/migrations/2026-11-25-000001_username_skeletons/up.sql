-- Names that look alike have the same skeleton (UTS #39, section 4). The service computes it, for new users when they
-- register and for older ones after the migrations. NULL where an older user has the same one: both accounts stay, and
-- no third one can take a name like theirs. A version of the service that does not know the column leaves it out.
ALTER TABLE users ADD COLUMN username_skeleton TEXT COLLATE "C";

CREATE UNIQUE INDEX idx_users_username_skeleton ON users (username_skeleton);
