//! Tokens that are known to be refused although their signature is good.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use neonchat_common::ids::TokenId;

/// How many a generation has.
const GENERATION: usize = 10_000;

/// The last 10,000 tokens at least, and 20,000 at most, that this process found to be revoked or without a user. Both are
/// for good.
#[derive(Clone, Default)]
pub(super) struct RefusedTokens(Arc<Mutex<Generations>>);

#[derive(Default)]
struct Generations {
    current: HashSet<TokenId>,
    previous: HashSet<TokenId>,
}

impl RefusedTokens {
    pub(super) fn add(&self, token: TokenId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.current.len() == GENERATION {
            known.previous = mem::take(&mut known.current);
        }
        known.current.insert(token);
    }

    pub(super) fn has(&self, token: TokenId) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.current.contains(&token) || known.previous.contains(&token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_latest_and_is_bounded() {
        let refused = RefusedTokens::default();
        let tokens: Vec<_> = (0..3 * GENERATION).map(|_| TokenId::new()).collect();
        for token in &tokens {
            refused.add(*token);
        }
        assert!(tokens[2 * GENERATION..].iter().all(|token| refused.has(*token)));
        assert!(!refused.has(tokens[0]));
        let known = refused.0.lock().expect("no panic");
        assert!(known.current.len() + known.previous.len() <= 2 * GENERATION);
    }
}
