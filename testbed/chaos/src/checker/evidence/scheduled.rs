//! Scheduled messages that are canceled before they are sent.

/// The request of a client to cancel a message that it has scheduled.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    /// The number of attempts. An attempt without an answer may have been effective, or may still be.
    pub attempts: usize,
    /// The answers.
    pub answers: Vec<CancelAnswer>,
}

/// An answer to a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// The message will not be sent.
    Canceled,
    /// The message is being sent, was sent, or was canceled by an earlier attempt.
    NotFound,
    /// The message may be canceled or not.
    Indefinite,
}
