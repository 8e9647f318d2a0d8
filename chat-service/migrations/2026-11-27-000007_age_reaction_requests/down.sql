ALTER TABLE reaction_requests DROP COLUMN at;
