//! Tests of the checker: it accepts good histories, and finds each kind of breach.

mod by_hand;
mod changes;
mod model;
mod random;
