DROP INDEX idx_users_password_cost;
