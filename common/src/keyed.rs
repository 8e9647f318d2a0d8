//! Concurrent work in which items with one key keep their order.

use std::{collections::HashMap, hash::Hash};

use futures_util::{StreamExt as _, stream};

/// Works on all items: on those with the same key one after another, in their order; on at most `limit` at the same time. Returns the
/// results in the order of the items.
pub async fn in_order_by_key<T, K: Eq + Hash, R, F: Future<Output = R>>(
    items: impl IntoIterator<Item = T>,
    limit: usize,
    key: impl Fn(&T) -> K,
    work: impl Fn(T) -> F,
) -> Vec<R> {
    let (mut indexes, mut groups) = (HashMap::new(), Vec::<Vec<(usize, T)>>::new());
    for (position, item) in items.into_iter().enumerate() {
        let index = *indexes.entry(key(&item)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[index].push((position, item));
    }
    let work = &work;
    let in_order = async |group: Vec<(usize, T)>| {
        let mut results = Vec::with_capacity(group.len());
        for (position, item) in group {
            results.push((position, work(item).await));
        }
        results
    };
    let mut results = stream::iter(groups.into_iter().map(in_order)).buffer_unordered(limit).concat().await;
    results.sort_unstable_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn keeps_order_of_items_with_one_key() {
        let began = RefCell::new(Vec::new());
        let work = async |(key, yields): (char, usize)| {
            began.borrow_mut().push((key, yields));
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            format!("{key}{yields}")
        };
        let items = [('a', 3), ('b', 5), ('a', 0), ('c', 0), ('b', 1), ('a', 1)];
        let results = in_order_by_key(items, 2, |(key, _)| *key, work).await;
        assert_eq!(results, ["a3", "b5", "a0", "c0", "b1", "a1"]);
        let of = |key| began.borrow().iter().filter(|item| item.0 == key).map(|item| item.1).collect::<Vec<_>>();
        assert_eq!((of('a'), of('b'), of('c')), (vec![3, 0, 1], vec![5, 1], vec![0]));
        assert_eq!(began.borrow()[..2], [('a', 3), ('b', 5)], "at the same time");
        let place = |item| began.borrow().iter().position(|other| *other == item);
        assert!(place(('a', 1)) < place(('c', 0)), "not more than two");
    }
}
