//! A device reacts to the newest messages, and takes reactions back.

use neonchat_common::ids::SendId;

use super::{Load, Phase, changes::Changer, compose::pause, state::Shared};
use crate::checker::Action;

/// The pause between changes, as a multiple of the pause between the messages on the socket.
const SLOWDOWN: u32 = 10;

/// The emoji. A user may react with each of them, as three are allowed.
pub(super) const EMOJI: [&str; 3] = ["👍", "🎉", "😢"];

/// Of this number of changes, one is repeated although it was answered, as by a client that crashed before it recorded the answer.
const REPEATED: u8 = 6;

/// Reacts to messages.
pub(super) struct Reacter {
    shared: Shared,
    load: Load,
    changer: Changer,
    rng: fastrand::Rng,
}

impl Reacter {
    pub(super) fn new(shared: Shared, load: Load, mut rng: fastrand::Rng) -> Self {
        let changer = Changer::new(shared.clone(), load, rng.fork());
        Self { shared, load, changer, rng }
    }

    pub(super) async fn run(mut self) {
        while !self.shared.is(Phase::Stopped) {
            tokio::time::sleep(pause(self.load.pause * SLOWDOWN, &mut self.rng)).await;
            if self.shared.is(Phase::Active)
                && let Some(request) = self.compose()
            {
                self.changer.make(request).await;
                if self.rng.u8(..REPEATED) == 0 {
                    self.changer.make(request).await;
                }
            }
        }
    }

    /// Creates a change: two of three are reactions, the others take one back.
    fn compose(&mut self) -> Option<SendId> {
        let (chat, message) = self.shared.state.newest_message(&mut self.rng)?;
        let emoji = (*self.rng.choice(&EMOJI)?).to_owned();
        let request = SendId::new();
        let action = Action::React { message, emoji, on: self.rng.u8(..3) > 0 };
        self.shared.state.add_change(chat, request, action);
        Some(request)
    }
}
