DROP TABLE pins, reaction_requests, reactions_due, reactions;
