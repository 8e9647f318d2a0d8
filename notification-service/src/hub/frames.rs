//! The frames of a durable event, each encoded once for all of its readers.

use std::sync::OnceLock;

use neonchat_common::ids::{SendId, Seq};

use crate::protocol::Frame;

/// The bytes that a `request_id` adds to a frame.
const REQUEST_ID_BYTES: usize = r#","request_id":"550e8400-e29b-41d4-a716-446655440000""#.len() + 1;

/// The frames of a durable event, for the sockets of its actor and for those of the other members.
#[derive(Debug)]
pub(crate) struct EventFrames {
    /// `None` for a kind that this version cannot deliver.
    for_others: Option<Frame>,
    for_actor: ActorFrame,
    /// For members who may see less than the others.
    hidden: Option<HiddenFrame>,
}

/// A frame for members who may see less than the others.
#[derive(Debug)]
pub(crate) struct HiddenFrame {
    pub(crate) frame: Frame,
    /// It is for members for whom this `seq` does not exist.
    pub(crate) target_seq: Option<Seq>,
    /// It is for members without an office, except for the one whom the event is about.
    pub(crate) for_members: bool,
}

/// The frame for the sockets of the user who caused an event.
#[derive(Debug)]
enum ActorFrame {
    /// That of the others.
    Same,
    /// Another one, which chat-service encoded.
    Other(Frame),
    /// That of the others and the message's `request_id`. Created for the first socket that gets it: most senders have no socket
    /// but the sending one, and publications do not contain the message twice.
    WithRequestId(SendId, OnceLock<Frame>),
}

impl EventFrames {
    /// Returns the frames of a message. Its sender's sockets also get the `request_id`.
    pub(crate) const fn of_message(frame: Frame, request_id: Option<SendId>) -> Self {
        let for_actor = match request_id {
            Some(request_id) => ActorFrame::WithRequestId(request_id, OnceLock::new()),
            None => ActorFrame::Same,
        };
        Self { for_others: Some(frame), for_actor, hidden: None }
    }

    /// Returns the frames of a change, which chat-service encoded.
    pub(crate) fn of_change(frame: Frame, actor_frame: Option<Frame>, hidden: Option<HiddenFrame>) -> Self {
        Self { for_others: Some(frame), for_actor: actor_frame.map_or(ActorFrame::Same, ActorFrame::Other), hidden }
    }

    /// Returns the frames of a kind that this version cannot deliver: none.
    pub(crate) const fn unknown() -> Self {
        Self { for_others: None, for_actor: ActorFrame::Same, hidden: None }
    }

    /// Returns the frame for members who may see less than the others.
    pub(super) const fn hidden(&self) -> Option<&HiddenFrame> {
        self.hidden.as_ref()
    }

    /// Returns whether there is no frame: clients have to fetch the event.
    pub(crate) const fn is_empty(&self) -> bool {
        self.for_others.is_none()
    }

    /// Returns the bytes of the frames, including those that are not created yet.
    pub(super) fn size(&self) -> usize {
        let for_others = self.for_others.as_ref().map_or(0, Frame::len);
        let for_actor = match &self.for_actor {
            ActorFrame::Same => 0,
            ActorFrame::Other(frame) => frame.len(),
            ActorFrame::WithRequestId(..) => for_others + REQUEST_ID_BYTES,
        };
        for_others + for_actor + self.hidden.as_ref().map_or(0, |hidden| hidden.frame.len())
    }

    /// Returns the type of the frames, if there are any.
    pub(super) fn kind(&self) -> Option<&'static str> {
        self.for_others.as_ref().map(Frame::kind)
    }

    /// Returns the frame for a socket of the actor or of another member; `None` if the client has to fetch the event.
    pub(super) fn get(&self, is_actor: bool) -> Option<&Frame> {
        let for_others = self.for_others.as_ref()?;
        Some(match &self.for_actor {
            _ if !is_actor => for_others,
            ActorFrame::Same => for_others,
            ActorFrame::Other(frame) => frame,
            ActorFrame::WithRequestId(request_id, frame) => {
                frame.get_or_init(|| with_request_id(for_others, *request_id))
            }
        })
    }
}

/// Adds a `request_id` to the message in a `new_message`. The message is the last member of this frame, also of one that another
/// version encoded; if it is not, the frame stays as it is.
fn with_request_id(frame: &Frame, request_id: SendId) -> Frame {
    match frame.clone().into_json().strip_suffix("}}") {
        Some(open) => Frame::opaque(format!(r#"{open},"request_id":"{request_id}"}}}}"#)),
        None => frame.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_message_frame_of_another_form() {
        for form in ["x", "{}"] {
            let frames = EventFrames::of_message(Frame::opaque(form), Some(SendId::new()));
            assert_eq!(frames.get(true), frames.get(false));
        }
    }
}
