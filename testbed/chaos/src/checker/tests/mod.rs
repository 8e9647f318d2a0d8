//! Tests of the checker: it accepts good histories, and finds each kind of breach.

mod by_hand;
mod changes;
mod groups;
mod model;
mod ordinary;
mod random;
mod reactions;
mod scheduled;
