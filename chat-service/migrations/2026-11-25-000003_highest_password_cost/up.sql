-- A failed login takes as long as one with the most expensive hash of all users. The highest cost is the last entry of
-- this index: in `$2b$10$…` the cost is the two digits from the fifth character on.
CREATE INDEX idx_users_password_cost ON users (substr(password_hash, 5, 2) COLLATE "C");
