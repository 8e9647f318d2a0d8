DROP TABLE message_cleanups;
