//! Frames to resume from, and their numbering over a restart.

use linecard_store::frames::{FrameRow, Numbering};
use linecard_store::ledger::Batch;

use super::support::fresh_store;

fn frames(seqs: impl IntoIterator<Item = i64>) -> Vec<FrameRow> {
    let frame = |seq| FrameRow { seq, at: seq * 10, frame: format!("{{\"ё\":{seq}}}") };
    seqs.into_iter().map(frame).collect()
}

fn batch(epoch: &str, frames: Vec<FrameRow>) -> Batch {
    Batch { frames, epoch: epoch.to_owned(), ..Batch::default() }
}

#[tokio::test]
async fn frames_of_one_epoch_come_back_in_order_after_a_number_up_to_another() {
    let store = fresh_store().await;
    store.append(&batch("old", frames(1..=9))).await.unwrap();
    store.append(&batch("new", frames([3, 1, 2, 5, 7]))).await.unwrap();
    assert_eq!(store.frames_between("new", 0, 100, 100).await.unwrap(), frames([1, 2, 3, 5, 7]));
    assert_eq!(store.frames_between("new", 1, 5, 100).await.unwrap(), frames([2, 3, 5]));
    assert_eq!(store.frames_between("new", 0, 100, 2).await.unwrap(), frames([1, 2]));
    assert_eq!(store.frames_between("new", 7, 100, 100).await.unwrap(), []);
    assert_eq!(store.frames_between("other", 0, 100, 100).await.unwrap(), []);
}

#[tokio::test]
async fn a_number_once_written_keeps_its_frame() {
    let store = fresh_store().await;
    store.append(&batch("e", frames([1]))).await.unwrap();
    let other = FrameRow { frame: "another".to_owned(), ..frames([1]).remove(0) };
    store.append(&batch("e", vec![other])).await.unwrap();
    assert_eq!(store.frames_between("e", 0, 9, 9).await.unwrap(), frames([1]));
}

#[tokio::test]
async fn forgetting_raises_the_floor_below_which_nothing_can_be_resumed() {
    let store = fresh_store().await;
    assert_eq!(store.frames_floor("e").await.unwrap(), None);
    store.append(&batch("e", frames(4..=8))).await.unwrap();
    store.append(&batch("other", frames([2]))).await.unwrap();
    assert_eq!(store.frames_floor("e").await.unwrap(), Some(3));
    assert_eq!(store.forget_frames(60).await.unwrap(), 3, "4 and 5 of this epoch, 2 of the other");
    assert_eq!(store.frames_floor("e").await.unwrap(), Some(5));
    assert_eq!(store.frames_between("e", 5, 9, 9).await.unwrap(), frames(6..=8));
    assert_eq!(store.frames_floor("other").await.unwrap(), None);
    assert_eq!(store.forget_frames(60).await.unwrap(), 0);
}

#[tokio::test]
async fn frames_that_were_lost_take_the_older_ones_along() {
    let store = fresh_store().await;
    store.append(&batch("e", frames(1..=3))).await.unwrap();
    store.append(&batch("other", frames(1..=3))).await.unwrap();
    // 4 to 6 were numbered and never written: whoever stands before them would get a gap that looks whole.
    let after_loss = Batch { frames_lost_until: Some(6), ..batch("e", frames([7, 8])) };
    store.append(&after_loss).await.unwrap();
    assert_eq!(store.frames_floor("e").await.unwrap(), Some(6));
    assert_eq!(store.frames_between("e", 0, 99, 99).await.unwrap(), frames([7, 8]));
    assert_eq!(store.frames_between("other", 0, 99, 99).await.unwrap(), frames(1..=3));
}

#[tokio::test]
async fn a_clean_stop_is_continued_once() {
    let store = fresh_store().await;
    let left = Numbering { epoch: "e-1".to_owned(), last_seq: 41 };
    store.leave_numbering(&Numbering { epoch: "e-0".to_owned(), last_seq: 7 }).await.unwrap();
    store.leave_numbering(&left).await.unwrap();
    assert_eq!(store.take_numbering("fresh").await.unwrap(), left);
    let fresh = Numbering { epoch: "fresh".to_owned(), last_seq: 0 };
    assert_eq!(store.take_numbering("fresh").await.unwrap(), fresh, "the mark was taken away");
}

#[tokio::test]
async fn an_unclean_stop_starts_the_new_epoch() {
    let store = fresh_store().await;
    let first = store.take_numbering("first").await.unwrap();
    assert_eq!(first, Numbering { epoch: "first".to_owned(), last_seq: 0 });
    store.append(&batch("first", frames(1..=3))).await.unwrap();
    let second = store.take_numbering("second").await.unwrap();
    assert_eq!(second, Numbering { epoch: "second".to_owned(), last_seq: 0 });
}
