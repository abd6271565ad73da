"""Measures over one row-wise score: alarms, episodes, and threshold-free areas.

A score is an array with one value per input row.  An alarm is a row whose score
reaches the threshold; alarms closer than ``gap`` rows form one episode.
Intervals are half-open row pairs ``(start, end)``.
"""

from __future__ import annotations

import numpy as np

GAP = 10


def runs(mask) -> list[tuple[int, int]]:
    """Half-open intervals in which ``mask`` is true."""
    padded = np.concatenate(([False], np.asarray(mask, bool), [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def episodes(alarm, gap: int = GAP) -> list[tuple[int, int]]:
    """Alarm episodes: first alarm to last alarm + 1, with short pauses bridged."""
    merged: list[tuple[int, int]] = []
    for start, end in runs(alarm):
        if merged and start - merged[-1][1] + 1 < gap:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def rows_of(intervals, n: int, before: int = 0, after: int = 0):
    """Boolean rows covered by ``intervals``, each widened by ``before`` and ``after``."""
    mask = np.zeros(n, bool)
    for start, end in intervals:
        mask[max(0, start - before) : max(0, end + after)] = True
    return mask


def count_episodes(alarm, region, gap: int = GAP) -> int:
    """Episodes among the rows of ``region``; outside it alarms do not exist."""
    return len(episodes(np.asarray(alarm, bool) & region, gap))


def per(count: float, total: float, unit: float = 1000.0) -> float:
    return unit * count / total if total else float("nan")


def share(mask, region) -> float:
    """Percentage of the region's rows at which ``mask`` is true."""
    region = np.asarray(region, bool)
    return 100.0 * float(np.mean(mask[region])) if region.any() else float("nan")


def chance(alarm, region, length: int) -> float:
    """Probability that ``length`` rows placed at random inside ``region`` hold an alarm.

    The bar for any "found": a detector that alarms often finds everything by luck.
    """
    hits = places = 0.0
    for start, end in runs(region):
        part = np.asarray(alarm[start:end], bool)
        size = min(length, len(part))
        seen = np.concatenate(([0], np.cumsum(part)))
        windows = seen[size:] - seen[:-size]
        hits += float(np.count_nonzero(windows))
        places += len(windows)
    return hits / places if places else float("nan")


def _ranked(label, score):
    """Cumulative true and predicted positives at each distinct threshold, strictest first."""
    label, score = np.asarray(label, float), np.asarray(score, float)
    order = np.argsort(-score, kind="stable")
    last = np.append(score[order][1:] != score[order][:-1], True)
    return np.cumsum(label[order])[last], (np.arange(len(score)) + 1)[last]


def average_precision(label, score) -> float:
    hits, predicted = _ranked(label, score)
    return float(np.sum(np.diff(hits, prepend=0.0) * hits / predicted) / hits[-1])


def roc_auc(label, score) -> float:
    hits, predicted = _ranked(label, score)
    recall = np.concatenate(([0.0], hits / hits[-1]))
    false = np.concatenate(([0.0], predicted - hits))
    return float(np.sum(np.diff(false) * (recall[1:] + recall[:-1]) / 2) / false[-1])


def best_f1(label, score) -> tuple[float, float]:
    """Best point-wise F1 over all thresholds, and that threshold: hindsight."""
    hits, predicted = _ranked(label, score)
    f1 = 2 * hits / (predicted + np.sum(label))
    i = int(np.argmax(f1))
    return float(f1[i]), float(np.sort(score)[::-1][predicted[i] - 1])


def precision_recall_f1(label, alarm) -> tuple[float, float, float]:
    label, alarm = np.asarray(label, bool), np.asarray(alarm, bool)
    hits = np.count_nonzero(label & alarm)
    precision = hits / max(np.count_nonzero(alarm), 1)
    recall = hits / max(np.count_nonzero(label), 1)
    return precision, recall, 2 * hits / max(np.count_nonzero(label) + np.count_nonzero(alarm), 1)


def vus_pr(label, score, longest: int = 100, step: int = 5, cuts: int = 250) -> float:
    """Volume under the precision-recall surface (Paparrizos et al., PVLDB 15, 2022).

    Labels fade over a buffer at both sides of an anomaly, as sqrt(1 - distance/buffer)
    for half a buffer; recall is multiplied by the share of anomalies touched; the mean
    is taken over buffers 0, step, ..., longest.  With ``step=1`` this is TSB-AD's figure.
    """
    label, score = np.asarray(label, bool), np.asarray(score, float)
    n, segments, positives = len(label), runs(label), np.count_nonzero(label)
    thresholds = np.sort(score)[::-1][np.linspace(0, n - 1, cuts).astype(int)]
    order = np.argsort(-score, kind="stable")
    predicted = np.searchsorted(-score[order], -thresholds, side="right")
    at = np.arange(n)
    areas = []
    for buffer in range(0, longest + 1, step):
        half, soft = buffer // 2, label.astype(float)
        for start, end in segments if half else []:
            ahead, behind = at[max(0, start - half) : start], at[end : min(end + half, n)]
            soft[ahead] += np.sqrt(1 - (start - ahead) / buffer)
            soft[behind] += np.sqrt(1 - (behind - end + 1) / buffer)
        soft = np.minimum(soft, 1.0)
        wide: list[tuple[int, int]] = []
        for start, end in segments:
            start, end = max(0, start - half), min(end + half, n)
            if wide and start <= wide[-1][1]:
                start = wide.pop()[0]
            wide.append((start, end))
        peaks = np.sort([score[a:b].max() for a, b in wide])
        touched = 1 - np.searchsorted(peaks, thresholds, side="left") / len(peaks)
        inside = np.cumsum(soft[order])[predicted - 1]
        faded = np.cumsum(np.where(label, 0.0, soft)[order])[predicted - 1]
        recall = np.minimum(inside / ((2 * positives + faded) / 2), 1.0) * touched
        areas.append(np.sum(np.diff(recall, prepend=0.0) * inside / predicted))
    return float(np.mean(areas))
