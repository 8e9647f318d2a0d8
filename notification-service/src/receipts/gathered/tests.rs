use futures_util::FutureExt as _;
use neonchat_common::ids::Seq;

use super::*;

fn receipt(read: Seq) -> WaitingReceipt {
    WaitingReceipt::new(Markers { read, delivered: 0 }, SocketId::next())
}

/// Takes what is to be written next. Returns the read markers.
async fn next(gathered: &GatheredReceipts) -> Vec<Seq> {
    let due = gathered.next().await;
    gathered.written();
    due.into_iter().map(|(_, receipt)| receipt.markers.read).collect()
}

#[tokio::test(start_paused = true)]
async fn first_receipt_in_small_chat_is_written_at_once_and_later_ones_once_a_second() {
    let (gathered, member, start) =
        (GatheredReceipts::new(MAX_MEMBERS), (UserId::new(), ChatId::new()), Instant::now());
    let add = |read| gathered.add(member, ChatClass::Small, receipt(read), Instant::now());
    assert!(!add(1));
    assert_eq!((next(&gathered).await, start.elapsed()), (vec![1], Duration::ZERO));
    for second in 1..=3 {
        assert!(!add(10 * second) && add(10 * second + 2) && add(10 * second + 1));
        assert_eq!((next(&gathered).await, start.elapsed().as_secs()), (vec![10 * second + 2], second.unsigned_abs()));
    }
    // Nothing is read for a while: the next receipt is written at once again.
    assert!(next(&gathered).now_or_never().is_none());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(next(&gathered).now_or_never().is_none());
    assert!(gathered.lock().members.is_empty() && gathered.lock().due.is_empty(), "nothing stays");
    add(50);
    assert_eq!(next(&gathered).now_or_never(), Some(vec![50]));
}

#[tokio::test(start_paused = true)]
async fn members_of_a_large_chat_who_read_along_are_written_once_in_five_seconds() {
    let (gathered, chat) = (GatheredReceipts::new(MAX_MEMBERS), ChatId::new());
    let users: Vec<_> = (0..1000).map(|_| UserId::new()).collect();
    let (mut written, mut most, start) = (0, 0, Instant::now());
    // 20 messages a second for 20 seconds.
    for read in 1..=400 {
        for user in &users {
            gathered.add((*user, chat), ChatClass::Large, receipt(read), Instant::now());
        }
        tokio::time::advance(Duration::from_millis(50)).await;
        let due = next(&gathered).now_or_never().unwrap_or_default().len();
        written += due;
        most = most.max(due);
    }
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    assert!((3000..=4000).contains(&written), "{written} written");
    assert!(most < 100, "{most} at the same time");
    gathered.flush(users[0]);
    gathered.add((users[0], chat), ChatClass::Large, receipt(401), Instant::now());
    gathered.flush(users[0]);
    assert_eq!(next(&gathered).now_or_never(), Some(vec![401]), "at disconnect");
}

#[tokio::test(start_paused = true)]
async fn knows_the_cause_if_it_is_one_socket() {
    let (gathered, member) = (GatheredReceipts::new(MAX_MEMBERS), (UserId::new(), ChatId::new()));
    let [phone, laptop] = [SocketId::next(), SocketId::next()];
    for (sockets, cause) in [([phone, phone], Some(phone)), ([phone, laptop], None)] {
        for (socket, markers) in
            sockets.into_iter().zip([Markers { read: 5, delivered: 0 }, Markers { read: 0, delivered: 7 }])
        {
            gathered.add(member, ChatClass::Medium, WaitingReceipt::new(markers, socket), Instant::now());
        }
        let due = gathered.next().await;
        let merged = WaitingReceipt { markers: Markers { read: 5, delivered: 7 }, cause, attempts: 0 };
        assert_eq!(due, [((member.1, member.0), merged)]);
        gathered.written();
    }
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_all_receipts_and_failed_ones_are_tried_again() {
    let (gathered, chat) = (GatheredReceipts::new(MAX_MEMBERS), ChatId::new());
    let [here, gone] = [UserId::new(), UserId::new()];
    for user in [here, gone] {
        gathered.add((user, chat), ChatClass::Large, receipt(1), Instant::now());
    }
    for _ in 0..MAX_ATTEMPTS {
        gathered.flush(here);
        gathered.flush(gone);
        let due = gathered.next().await;
        gathered.put_back(due, |user| Some(user == here), Instant::now());
        gathered.written();
    }
    assert_eq!(gathered.take_lost(), 1, "of a user who is gone");
    let drained = gathered.drain();
    tokio::pin!(drained);
    assert!(drained.as_mut().now_or_never().is_none());
    gathered.add((gone, ChatId::new()), ChatClass::Large, receipt(2), Instant::now());
    assert_eq!(gathered.next().await.len(), 2, "what comes during the drain is ready at once");
    assert!(drained.as_mut().now_or_never().is_none(), "they are being written");
    gathered.written();
    drained.await;
    gathered.put_back(vec![((chat, here), receipt(1))], |_| None, Instant::now());
    assert_eq!(gathered.take_lost(), 1, "of no use");
}

#[tokio::test(start_paused = true)]
async fn what_fails_during_the_drain_is_tried_again_after_a_pause() {
    let (gathered, chat) = (GatheredReceipts::new(MAX_MEMBERS), ChatId::new());
    let (known, unknown) = (UserId::new(), UserId::new());
    gathered.add((known, chat), ChatClass::Large, receipt(1), Instant::now());
    gathered.begin_draining();
    // This one comes during the drain, so no interval begins for it.
    gathered.add((unknown, chat), ChatClass::Large, receipt(1), Instant::now());
    for attempt in 1..=2 {
        let due = gathered.next().await;
        assert_eq!(due.len(), 2);
        gathered.put_back(due, |_| Some(false), Instant::now());
        gathered.written();
        assert_eq!((gathered.len(), gathered.take_lost()), (2, 0));
        assert!(gathered.next().now_or_never().is_none(), "attempt {attempt} is not repeated at once");
        tokio::time::advance(RETRY_PAUSE).await;
    }
    assert_eq!(next(&gathered).await, [1, 1]);
    tokio::time::timeout(RETRY_PAUSE, gathered.drain()).await.expect("nothing is left");
}

/// Beyond the capacity receipts are not gathered, and those beyond twice of it are lost, until the worker has taken some.
#[tokio::test(start_paused = true)]
async fn full_queue_drops_receipts_of_further_members_and_counts_them() {
    const CAPACITY: usize = 10;
    let (gathered, chat) = (GatheredReceipts::new(CAPACITY), ChatId::new());
    let users: Vec<_> = (0..3 * CAPACITY).map(|_| UserId::new()).collect();
    let read_by = |users: &[UserId], read| {
        for user in users {
            gathered.add((*user, chat), ChatClass::Large, receipt(read), Instant::now());
        }
    };
    read_by(&users, 1);
    assert_eq!((gathered.len(), gathered.take_lost()), (2 * CAPACITY, CAPACITY));
    // Who is known loses nothing.
    read_by(&users[..2 * CAPACITY], 2);
    assert_eq!((gathered.len(), gathered.take_lost()), (2 * CAPACITY, 0));
    // There is no room to write those at once who disconnect: they wait for their turn.
    gathered.flush(users[0]);
    assert_eq!((gathered.len(), gathered.take_lost()), (2 * CAPACITY, 0));
    assert_eq!(next(&gathered).await, [2; CAPACITY], "at once");
    read_by(&users[2 * CAPACITY..], 3);
    assert_eq!(next(&gathered).now_or_never(), Some(vec![3; CAPACITY]), "there is room again");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(next(&gathered).await, [2; CAPACITY], "of the gathered members");
    assert_eq!((gathered.len(), gathered.take_lost()), (0, 0));
    let state = gathered.lock();
    assert!(state.members.len() <= CAPACITY && state.due.len() <= CAPACITY, "bounded");
}
