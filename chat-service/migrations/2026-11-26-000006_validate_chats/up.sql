-- Sending goes on while the table is read.
ALTER TABLE chats VALIDATE CONSTRAINT chats_kind_check, VALIDATE CONSTRAINT chats_of_two;
