-- For messages whose time has come although they are due later.
CREATE INDEX scheduled_messages_send_at ON scheduled_messages (send_at);
