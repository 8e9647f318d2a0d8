DROP TABLE chat_former_members;
