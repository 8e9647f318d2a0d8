//! chat-service through its public ports, on a real Postgres and a real Redis.

#![expect(clippy::expect_used, reason = "a failed step of a test panics")]
#![expect(clippy::disallowed_methods, reason = "a task of a test ends with the runtime of the test")]

mod auth;
mod bad_input;
mod browsers;
mod catching_up;
mod changes;
mod chats;
mod database;
mod deployment;
mod documents;
mod edits;
mod encoded_bodies;
mod events;
mod faults;
mod group_items;
mod group_messages;
mod groups;
mod grpc;
mod history;
mod hostile_registrations;
mod lifecycle;
mod limits;
mod login_limits;
mod lossy_link;
mod lost_answers;
mod markers;
mod methods;
mod migrating;
mod operations;
mod passwords;
mod prefs;
mod presence;
mod random_histories;
mod receipts;
mod replica;
mod rest_sending;
mod scheduled;
mod sending;
mod sessions;
mod stand_in;
mod support;
mod swagger_ui;
mod timers;
mod users;
mod web_client;
