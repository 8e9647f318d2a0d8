//! End-to-end tests: both services as processes, and the commands of the project.

#![expect(clippy::expect_used, reason = "a failed step of a test panics")]
#![expect(clippy::disallowed_methods, reason = "a task of a test ends with the runtime of the test")]

mod abuse;
mod backup;
mod certificates;
mod changes;
mod commands;
mod documents;
mod examples;
mod groups;
mod helpers;
mod journey;
mod load;
mod logs;
mod memory;
mod nginx;
mod proxy;
mod receipts;
mod redis_faults;
mod restarts;
mod sdk;
mod security_events;
mod servers;
mod sessions;
mod site;
mod stalled_output;
mod traces;
mod watching;
