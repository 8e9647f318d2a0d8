-- A failed login takes as long as one against the most expensive hash that any user has. Its cost is the last entry of
-- this index: `$2b$10$…` has it in two digits at the fifth character.
CREATE INDEX idx_users_password_cost ON users (substr(password_hash, 5, 2) COLLATE "C");
