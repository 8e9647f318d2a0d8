//! Whether the connection is alive: pings, sleep, changes of the surroundings.

use serde_json::json;

use super::{Change, Core, Timer};
use crate::Status;

/// A `ping` follows after this long without a frame, and its answer must come within `PONG`.
const PING: u64 = 25_000;
const PONG: u64 = 8_000;
/// The clocks are compared at this interval. If that of the day jumped by more than JUMP, the computer slept.
const BEAT: u64 = 5_000;
const JUMP: u64 = 10_000;

impl Core {
    /// Something was heard: the next `ping` is due PING later.
    pub(super) fn listen(&mut self) {
        self.connection.heard = self.time.elapsed;
        self.timers.clear(Timer::Pong);
        if !self.timers.is_set(Timer::Ping) {
            self.set_timer(Timer::Ping, PING);
        }
    }

    /// One timer for any number of frames: looks how long ago the last one was.
    pub(super) fn silent(&mut self) {
        match (self.connection.heard + PING).saturating_sub(self.time.elapsed) {
            0 => self.probe(),
            rest => self.set_timer(Timer::Ping, rest),
        }
    }

    fn probe(&mut self) {
        if self.timers.is_set(Timer::Pong) {
            return;
        }
        self.set_timer(Timer::Pong, PONG);
        self.send(&json!({ "type": "ping" }));
    }

    /// Something happened after which the connection may be dead, or possible again.
    pub(super) fn changed(&mut self, change: Change) {
        match change {
            Change::Online | Change::Offline => self.connection.is_online = change == Change::Online,
            Change::Visible | Change::Hidden => self.connection.is_hidden = change == Change::Hidden,
            Change::Jump => {}
        }
        if !self.connection.is_running() || change == Change::Hidden {
            return;
        }
        match self.connection.status {
            Status::Syncing | Status::Live => self.probe(),
            Status::Offline => self.connect(),
            // What the server asks for is waited for, but no more than that.
            Status::Waiting { .. } if self.connection.server_wait.is_none_or(|end| end <= self.time.elapsed) => {
                self.connect();
            }
            _ => {}
        }
    }

    pub(super) fn watch(&mut self) {
        self.connection.beat = self.time.wall;
        self.set_timer(Timer::Beat, BEAT);
    }

    pub(super) fn beat(&mut self) {
        let has_jumped = self.time.wall.saturating_sub(self.connection.beat) > BEAT + JUMP;
        self.watch();
        if has_jumped {
            self.changed(Change::Jump);
        }
    }
}
