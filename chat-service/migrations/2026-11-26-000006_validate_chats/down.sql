-- The constraints are dropped with the groups.
SELECT 1;
