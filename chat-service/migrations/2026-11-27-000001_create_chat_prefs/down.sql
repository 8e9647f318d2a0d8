DROP TABLE chat_prefs;
