//! Cursors of the list of members.

use std::{fmt, str::FromStr};

use neonchat_common::{chat::Role, ids::UserId};

use crate::validation::ValidationError;

/// The place of a member in the list: owner and admins first, then by id. As text, the cursor for the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) role: Role,
    pub(crate) user: UserId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.role as i16, self.user)
    }
}

impl FromStr for Place {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = text.split_once('.').and_then(|(role, user)| {
            Some(Self { role: Role::from_number(role.parse().ok()?)?, user: user.parse().ok()? })
        });
        place.ok_or_else(|| ValidationError::new("format", "should be the `next` of another page"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let place = Place { role: Role::Admin, user: UserId::new() };
        assert_eq!(place.to_string().parse().ok(), Some(place));
        for text in ["", "2", "2.x", "9.00000000-0000-4000-8000-000000000000"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
