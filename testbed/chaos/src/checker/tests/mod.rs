//! The checker itself: a good history is green, and each way to break one is red.

mod by_hand;
mod model;
mod random;
