//! A cache of tokens that are refused although their signature is valid.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use neonchat_common::ids::TokenId;

/// The number of tokens in a generation.
const GENERATION: usize = 10_000;

/// The latest 10,000 to 20,000 tokens that this process found to be revoked or without a user. Neither ever changes back.
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
    fn keeps_the_latest_tokens_within_its_bound() {
        let refused = RefusedTokens::default();
        let tokens: Vec<_> = (0..3 * GENERATION).map(|_| TokenId::new()).collect();
        for token in &tokens {
            refused.add(*token);
        }
        assert!(tokens[2 * GENERATION..].iter().all(|token| refused.has(*token)));
        assert!(!refused.has(tokens[0]));
        let known = refused.0.lock().expect("lock");
        assert!(known.current.len() + known.previous.len() <= 2 * GENERATION);
    }
}
