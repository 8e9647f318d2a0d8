DROP TABLE token_cutoffs, sessions;
