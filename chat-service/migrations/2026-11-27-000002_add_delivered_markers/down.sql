SET LOCAL lock_timeout = '5s';

ALTER TABLE chat_members DROP delivered_seq;
