//! Tables of what is written, and when, with a clock that the test sets.

use super::*;
use tcp_chat_protocol::request::Target;

fn message() -> Request<'static> {
    Request::Msg { to: Target::Default, text: "x".into() }
}

fn msg(n: u64) -> Entry {
    let (reply, _) = oneshot::channel();
    Entry::new(RequestId::Number(n), message(), Purpose::Msg { reply, fixed: false })
}

fn op(n: u64) -> (Entry, oneshot::Receiver<Result<Box<RawValue>, Error>>) {
    let (reply, answer) = oneshot::channel();
    (Entry::new(RequestId::Number(n), Request::Rooms, Purpose::Op(reply)), answer)
}

fn written(o: &mut Outstanding, now: Instant, only_own: bool) -> String {
    let mut out = Vec::new();
    o.write(now, only_own, &mut out);
    String::from_utf8(out).unwrap()
}

#[tokio::test(start_paused = true)]
async fn messages_keep_their_order_behind_one_that_waits() {
    let now = Instant::now();
    let mut o = Outstanding::default();
    o.push(msg(1));
    o.push(msg(2));
    let (entry, _answer) = op(3);
    o.push(entry);
    let first = written(&mut o, now, false);
    assert_eq!(first, "{\"op\":\"MSG\",\"data\":\"x\",\"id\":1}\n{\"op\":\"ROOMS\",\"id\":3}\n");
    assert!(o.again(&RequestId::Number(1), now, Deferral::limit(Duration::from_secs(1))));
    assert_eq!(written(&mut o, now, false), "", "2 waits behind 1");
    assert_eq!(o.wakes_at(), Some(now + Duration::from_secs(1)));
    let again = written(&mut o, now + Duration::from_secs(1), false);
    assert!(again.contains("\"id\":1") && !again.contains("\"id\":2"), "{again}");
    assert!(o.take(&RequestId::Number(1)).is_some());
    assert!(written(&mut o, now, false).contains("\"id\":2"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_writes_all_again_with_the_same_ids() {
    let now = Instant::now();
    let mut o = Outstanding::default();
    o.push(msg(1));
    let (entry, _answer) = op(2);
    o.push(entry);
    let first = written(&mut o, now, false);
    assert_eq!(written(&mut o, now, false), "");
    o.connection_lost();
    assert_eq!(written(&mut o, now, true), "", "not before all that was missed is here");
    assert_eq!(written(&mut o, now, false), first);
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_does_not_send_twice() {
    let now = Instant::now();
    let mut o = Outstanding::default();
    let (reply, mut answer) = oneshot::channel();
    o.push(Entry::new(RequestId::Number(1), message(), Purpose::Msg { reply, fixed: false }));
    o.push(msg(2));
    written(&mut o, now, false);
    o.connection_lost();
    o.session_lost();
    assert!(matches!(answer.try_recv(), Ok(Err(Error::Unconfirmed))));
    assert!(written(&mut o, now, false).contains("\"id\":2"), "never written: safe to send");
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_a_node_ends_with_its_connection_and_that_of_a_rate_limit_does_not() {
    let now = Instant::now();
    for of_node in [true, false] {
        let mut o = Outstanding::default();
        o.push(msg(1));
        written(&mut o, now, false);
        let requested = Some(Duration::from_secs(9));
        assert!(o.again(&RequestId::Number(1), now, Deferral { requested, of_node }));
        assert_eq!(written(&mut o, now, false), "");
        o.connection_lost();
        assert_eq!(written(&mut o, now, false).is_empty(), !of_node);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_may_be_kept_stays_so_although_its_copy_was_not_taken() {
    let now = Instant::now();
    let mut o = Outstanding::default();
    let (reply, mut answer) = oneshot::channel();
    o.push(Entry::new(RequestId::Number(1), message(), Purpose::Msg { reply, fixed: false }));
    written(&mut o, now, false);
    // The connection is lost with the outcome unknown; the next node cannot order anything.
    o.connection_lost();
    for wait in [1, 2] {
        assert!(written(&mut o, now + Duration::from_secs(wait), false).contains("\"id\":1"));
        assert!(o.again(&RequestId::Number(1), now, Deferral::default()));
    }
    o.session_lost();
    assert!(matches!(answer.try_recv(), Ok(Err(Error::Unconfirmed))), "never sent in a new session");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_time_has_come_wakes_nobody_again_while_it_is_held_up() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    let limited = || {
        let mut o = Outstanding::default();
        o.push(msg(1));
        written(&mut o, now, false);
        assert!(o.again(&RequestId::Number(1), now, Deferral::limit(Duration::from_secs(1))));
        o
    };
    // Catching up after a resume.
    let mut o = limited();
    assert_eq!(written(&mut o, later, true), "");
    assert_eq!(o.wakes_at(), None);
    assert!(written(&mut o, later, false).contains("\"id\":1"), "and then it is written");
    // A message without a reply.
    let mut o = limited();
    let mut on_its_way = msg(0);
    (on_its_way.written, on_its_way.ever_written) = (true, true);
    o.entries.push_front(on_its_way);
    assert_eq!(written(&mut o, later, false), "");
    assert_eq!(o.wakes_at(), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_no_wait_is_not_asked_at_once() {
    let now = Instant::now();
    let mut o = Outstanding::default();
    o.push(msg(1));
    let waits = (0..4).map(|_| {
        let at = o.wakes_at().unwrap_or(now);
        assert!(written(&mut o, at, false).contains("\"id\":1"));
        assert!(o.again(&RequestId::Number(1), at, Deferral::limit(Duration::ZERO)));
        (o.wakes_at().unwrap_or(at) - at).as_millis()
    });
    assert_eq!(waits.collect::<Vec<_>>(), [25, 50, 100, 200]);
}

#[test]
fn ids_only_grow() {
    let mut ids = Ids::after(0, Duration::from_micros(50));
    assert_eq!(ids.next(), RequestId::Number(51));
    let mut ids = Ids::after(ids.last() + 100, Duration::from_micros(60));
    assert_eq!(ids.next(), RequestId::Number(152));
    assert!(Ids::after(u64::MAX, Duration::from_secs(1_800_000_000)).next() < RequestId::Number(EXACT));
}
