//! Tests of the checker: it accepts good histories, and finds each kind of breach.

mod by_hand;
mod model;
mod random;
