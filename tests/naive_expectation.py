"""Expectation, modes and evidence of one machine in plain numpy: the referee of those in C.

One machine of at most sixteen lines. Evidence is gathered as if every row were one usual interval. Written from the
equations, whole matrices at a time, with an inverse by numpy; it shares no line with the product.
"""

import math

import numpy as np
from naive_counts import Competition, Delay, full, lessons, time_of

FORGET = np.array([1.0, 1 / 5, 1 / 40])
TAU, CAP, LIMIT = (3.0, 8.0, 60.0, 40.0), (15.0, 6.0, 4.0), (6.5, 5.0, 3.5, 2.75)
BEYOND = 0.4
ALARM_MEMORY = 50_000  # rows, of what is sampled more often than every 48 s; 28 days or 10,000 rows else
WHITE = 1 / (2 * np.array(TAU[:3]) - 1)  # mean square of a membrane that hears white noise of variance 1


class NaiveResolution:
    """How finely each line speaks, and what it was off when it moved; all of them at once, in the sensors' units."""

    def __init__(self, lines):
        self.value = np.full(lines, np.nan)
        self.readings, self.moves, self.rises = np.zeros(lines), np.zeros(lines), np.zeros(lines)
        self.pace, self.wait, self.waited = np.zeros(lines), np.ones(lines), np.zeros(lines)
        self.counting = np.zeros(lines, bool)
        self.grain, self.jump, self.left = np.zeros(lines), np.zeros(lines), np.zeros(lines)

    def hear(self, x, here, residual, shut, learning):
        """Take in the readings of the lines that are `here`; `residual` is that of the row before."""
        again = here & ~np.isnan(self.value)
        move = np.where(again, x - self.value, 0.0)
        self.value = np.where(np.isnan(x), self.value, x)
        if not learning:
            return
        moved = move != 0
        self.readings += again
        self.moves += moved
        self.rises += move > 0
        self.grain[moved] = np.fmin(np.where(self.grain > 0, self.grain, np.nan), np.abs(move))[moved]
        rate = np.where(moved & ~shut, 1 / np.clip(self.moves, 1, 1000), 0.0)
        self.jump += rate * (move**2 - self.jump)
        self.left += rate * (residual**2 - self.left)

    @property
    def rounding(self):
        return (self.grain / self.smooth) ** 2 / 12

    @property
    def unexplained(self):
        """What n moves have shown weighs n, that the next is like the ones before weighs 1."""
        return np.where(self.counting, 0.0, (self.moves * self.left + self.jump) / (self.moves + 1))

    @property
    def counters(self):
        return (self.moves >= 40) & (np.minimum(self.rises, self.moves - self.rises) <= 0.05 * self.moves)

    def count(self, x, before, here, learning):
        """Pace of the counters after the readings of those that are `here`; returns which are counters only now."""
        now = self.counters & (len(x) > 1)
        changed, self.counting = now != self.counting, now
        self.pace[changed] = 0.0
        gain = np.where(2 * self.rises > self.moves, 1.0, -1.0) * (x - before)
        for c in np.flatnonzero(now & here):
            self.waited[c] = self.waited[c] + 1 if gain[c] >= 0 else 0
            if gain[c] >= 0:
                self.pace[c] += (gain[c] - self.pace[c]) / self.smooth[c]
            if gain[c] > 0:
                walk = 0.04 * self.wait[c] * learning
                self.wait[c] += np.clip(self.waited[c] - self.wait[c], -walk, walk)
                self.waited[c] = 0
        return changed

    @property
    def smooth(self):
        return np.where(self.counting, 8 * np.maximum(self.wait, 1.0), 1.0)

    def holds(self, tau):
        """Squared share to which a membrane of `tau` readings fills in the time that each line holds a value."""
        held = self.readings / np.maximum(self.moves, 1) - 1
        return np.where(held < 0.01, 0.0, (1 - (1 - 1 / tau) ** np.maximum(held, 0)) ** 2)


class NaiveExpectation:
    """`step` takes a row, NaN where a line has no reading, and returns the level of each line.

    While `learning` is off, nothing that was learned changes. A line that has been missing for long is masked, until
    after the row with which it is back.
    """

    learning = True

    def __init__(self, lines, settle=500):
        """`settle`: rows of a line before it can be doubted, or in alarm."""
        n, d = lines, 3 * lines
        self.settle = settle
        self.blamed = 0
        self.n, self.d, self.rows = n, d, 0
        self.resolution = NaiveResolution(n)
        self.residual, self.low, self.high, self.alarm = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
        self.offset, self.unit, self.own = np.zeros(n), np.zeros(n), np.zeros(n)
        self.used, self.real, self.mean = np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 3))
        self.variance = np.zeros(n)
        self.S, self.L, self.scale, self.gain = np.zeros((d, d)), np.zeros((d, d)), np.zeros(d), np.zeros((n, 3))
        self.others = np.zeros((n, d, d))
        self.size, self.size_new, self.usual = np.zeros(n), np.zeros(n), np.ones(n)
        self.A, self.N, self.energy = np.zeros((n, 4)), np.zeros((n, 4)), np.zeros(n)
        self.level, self.alarms, self.shut = np.zeros(n), np.zeros(n), np.zeros(n, bool)
        self.missed = np.zeros(n, int)
        self.centre, self.vigilance = [], 0.5  # of each mode, two delays of each line
        self.joined = []  # lines in the order of their first readings
        self.competition = Competition(32, full(5000.0), 0.02)
        self.mode_rows, self.mode_size, self.mode_new = [], [], []

    def begin_anew(self, c):
        """A line has become another kind: nothing of what it was counts for that, but how it moves."""
        for each in (self.offset, self.unit, self.own, self.low, self.high, self.variance, self.alarm):
            each[c] = 0.0
        for each in (self.used, self.real, self.mean, self.A, self.N):
            each[c] = 0.0
        for each in (self.size, self.size_new, self.energy, self.level, self.alarms):
            each[c] = 0.0
        self.usual[c], self.shut[c], self.gain[c] = 1.0, False, (1.0, 0.0, 0.0)
        for j in range(len(self.centre)):
            self.mode_rows[j][c] = self.mode_size[j][c] = self.mode_new[j][c] = 0.0
            self.centre[j][2 * c : 2 * c + 2] = [Delay(0)] * 2

    def residuals(self, v):
        """Value minus what all other lines say, for every line: their joint Gaussian, conditioned."""
        said = (self.gain * (self.L @ v).reshape(self.n, 3)).sum(1)
        return np.where(np.diag(self.L)[::3] > 0, said, v[::3])

    def within(self, value):
        """`value`, but no farther outside what each line has shown than a share of that."""
        margin = BEYOND * (self.high - self.low)
        return np.clip(value, self.low - margin, self.high + margin)

    def far(self, v):
        """For every line: how far the other lines are, together, from where they have been before."""
        z = self.scale * v
        beyond = np.array([z @ others @ z for others in self.others]) - 4 * (self.d - 3)
        return np.maximum(beyond, 0.0) * 60 / np.clip(self.own, 1, 6000)

    def step(self, x, elapsed=1.0):
        x = np.array(x, float)
        n = self.n
        here = ~np.isnan(x) & (self.missed <= 30)
        self.missed = np.where(np.isnan(x), self.missed + 1, 0)
        first, value = here & np.isnan(self.resolution.value), self.resolution.value
        self.joined += np.flatnonzero(first).tolist()
        self.resolution.hear(x, here, self.residual * self.unit, self.shut, self.learning)
        anew = self.resolution.count(x, value, here & ~first, self.learning)
        for c in np.flatnonzero(anew):
            self.begin_anew(c)
        x = np.where(self.resolution.counting & ~np.isnan(x), self.resolution.pace, x)
        first |= anew
        self.offset[first] = x[first]
        for c in np.flatnonzero((self.unit == 0) & ~np.isnan(x) & (x != self.offset)):
            self.unit[c] = 2.0 ** math.floor(math.log2(abs(x[c] - self.offset[c])))
        self.own += here & (self.unit > 0) & self.learning
        moved = here & (self.unit > 0)
        self.real[moved, 0] = (x[moved] - self.offset[moved]) / self.unit[moved]
        before = self.used.copy()
        rate = np.maximum(1 - (1 - FORGET) ** elapsed, 1 / np.maximum(self.own, 1)[:, None])
        rate[:, 0] = 1.0
        self.used[here, 0] = self.real[here, 0]
        self.used += rate * (self.used[:, :1] - self.used)
        self.real[here] += (rate * (self.real[:, :1] - self.real))[here]

        def say(c, value):
            self.used[c, 0] = value
            self.used[c, 1:] = before[c, 1:] + rate[c, 1:] * (value - before[c, 1:])

        def off():
            return self.residuals((self.used - self.mean).ravel())

        known = np.diag(self.L)[::3] > 0
        as_read = (np.where(here[:, None], self.real, self.used) - self.mean).ravel()
        held = (~here | self.shut) & known

        def leave_to_the_others(c):
            reach = 10 * math.sqrt(self.variance[c])
            expected = self.mean[:, 0] + np.clip(self.used[:, 0] - off() - self.mean[:, 0], -reach, reach)
            say(c, self.within(expected)[c])

        for c in np.flatnonzero(held):
            leave_to_the_others(c)
        while held.sum() < max(1, n // 2):
            doubt = np.where(held | (self.own <= self.settle) | ~known, 0.0, np.abs(off()) / self.usual)
            if doubt.max() <= 8:
                break
            c = int(doubt.argmax())
            held[c] = True
            leave_to_the_others(c)
        v = (self.used - self.mean).ravel()
        residual = np.where(here, self.real[:, 0] - self.within(self.used[:, 0] - off()), 0.0)
        innovation, self.residual = residual.copy(), np.where(here, residual, self.residual)
        self.real[~here] = self.used[~here]
        for c in np.flatnonzero(here):
            own = slice(3 * c, 3 * c + 3)
            w = self.L[own] @ v + self.L[own, own] @ (self.real[c] - self.used[c])
            norm = rate[c] @ self.L[own, own] @ rate[c]
            if norm > 0:
                innovation[c] = self.real[c, 0] - self.within(self.real[c, 0] - rate[c] @ w / norm)[c]
        far = np.where(known, self.far(v), 0.0)
        self.modes(v)
        moded = n > 1 and self.rows >= 200 and len(self.centre) > 0
        for c in np.flatnonzero(here):
            self.weigh(c, residual[c], innovation[c], far[c], moded)
        if self.shut.any() and (here & ~self.shut & (self.level > 0.6)).any():
            self.blame(as_read, here & known)
        self.learn(held, here, residual, rate, say)
        if n > 1 and self.learning:
            lasts = (self.level >= 1) | self.shut | ((self.alarm > 0) & (self.level >= 0.6))
            self.alarm = np.where(lasts, self.alarm + 1, 0.0)
        for c in np.flatnonzero(self.missed == 31):
            self.rest(c)
        self.rows += 1
        if self.rows % 20 == 0 and self.learning:
            self.renew()
        return self.level.copy()

    def modes(self, v):
        """Where the machine is, and for each line which mode the other lines say it is in."""
        n = self.n
        sd = np.sqrt(np.diag(self.S)).reshape(n, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(sd > 0, v.reshape(n, 3) / sd, 0.0)
        place = [time_of(t) for t in np.clip(np.stack([z[:, 0], z[:, 0] - z[:, 1]], 1), -8.0, 8.0).ravel()]
        self.winner = np.zeros(n, int)
        if n == 1 or self.rows < 200:
            return
        if not self.learning and not self.centre:
            return
        part = np.array([self.apart(place, centre) for centre in self.centre]).reshape(-1, n)
        total = part.sum(1)
        if not self.learning:
            self.winner = (total[:, None] - part).argmin(0)
            return
        novel = not len(total) or total.min() / (2 * n * 256) > self.vigilance
        if novel and len(self.centre) == 32:
            self.vigilance *= 1.02
        j, rate, dice = self.competition.settle(-1 if novel else int(total.argmin()), bool(novel))
        if novel:
            if j == len(self.centre):
                for each in (self.centre, self.mode_rows, self.mode_size, self.mode_new):
                    each.append(None)
                part, total = np.vstack([part, np.zeros((1, n))]), np.append(total, 0.0)
            part[j], total[j] = 0.0, 0.0
            self.centre[j] = [Delay(0)] * (2 * n)
            self.mode_rows[j], self.mode_size[j], self.mode_new[j] = np.zeros(n), np.zeros(n), np.zeros(n)
        order = [2 * c + k for c in self.joined for k in range(2)]
        self.centre[j] = lessons(self.centre[j], place, rate, dice, order)
        self.winner = (total[:, None] - part).argmin(0)

    @staticmethod
    def apart(place, centre):
        """Of each line."""
        return np.array([abs(t - delay.time()) for t, delay in zip(place, centre, strict=True)]).reshape(-1, 2).sum(1)

    def weigh(self, c, residual, innovation, far, moded):
        own, j = self.own[c], self.winner[c]
        square = self.unit[c] ** 2 if self.unit[c] else np.inf
        rounding, standing = self.resolution.rounding[c] / square, self.resolution.unexplained[c] / square
        holds = [self.resolution.holds(tau)[c] for tau in TAU]
        off = new = grain = stands = 0.0
        if own > 200:
            size, size_new = self.size[c], self.size_new[c]
            if moded:
                k = self.mode_rows[j][c]
                size = (k * self.mode_size[j][c] + 30 * size) / (k + 30)
                size_new = (k * self.mode_new[j][c] + 30 * size_new) / (k + 30)
            least = self.resolution.holds(60.0)[c] * standing
            size, size_new = ((1 + far) ** 2 * max(each, least) + rounding for each in (size, size_new))
            grain, stands = rounding / max(size, 1e-300), standing / max(size, 1e-300)
            floor = 0.003 * math.sqrt(self.variance[c]) + 1e-9 * abs(self.real[c, 0]) + 1e-12
            self.usual[c] = math.sqrt(max(size, self.size[c] + rounding)) + floor
            off, new = residual / (math.sqrt(size) + floor), innovation / (math.sqrt(size_new) + floor)
        for k, value in enumerate((new, off, off)):
            self.A[c, k] += (np.clip(value, -CAP[k], CAP[k]) - self.A[c, k]) / TAU[k]
        self.A[c, 3] += (min(off * off, 16.0) - self.A[c, 3]) / TAU[3]
        energy = math.log(self.A[c, 3] + 0.1)
        if own > self.settle:
            usual = np.maximum(self.N[c], stands * np.array(holds))
            reached = np.abs(self.A[c, :3]) / np.sqrt(usual[:3] + grain * WHITE + 1e-9) / LIMIT[:3]
            quiet = max(self.energy[c], math.log(stands * holds[3] + grain + 0.1))
            rough = (energy - quiet) / (math.sqrt(usual[3]) + 0.1) / LIMIT[3]
            level = max(*reached, rough) / (1 + 2.5 * math.sqrt(60 / own) + 1000 * (self.d / own) ** 2)
            level /= 1 + 0.1 * max(self.alarms[c] - self.shut[c], 0.0)
            self.level[c] = max(level, 0.0)
            self.alarms[c] *= 1 - self.learning / ALARM_MEMORY
            if self.shut[c]:
                self.shut[c] = level >= 0.6
            elif level > 1 and self.shut.sum() < max(1, self.n // 2):
                self.shut[c] = True
                self.alarms[c] += self.learning
        if not self.learning:
            return
        gate = min(0.05 * (1 + 3 * max(self.alarms[c] - 1, 0.0) ** 2), 1.0) if self.shut[c] else 1.0
        squares = (residual**2, innovation**2)
        most, most_new = 9 * (self.size[c] + rounding), 9 * (self.size_new[c] + rounding)
        if own > 200 and moded:
            self.mode_rows[j][c] += gate
            k = gate * max(1 / (self.mode_rows[j][c] + 1), 1 / 1000)
            for sizes, square, limit in zip((self.mode_size, self.mode_new), squares, (most, most_new), strict=True):
                sizes[j][c] += k * (min(square, limit) - sizes[j][c])
        for sizes, square, limit in zip((self.size, self.size_new), squares, (most, most_new), strict=True):
            if own < 250:
                sizes[c] += 1 / np.clip(own, 1, 50) * (square - sizes[c])
            else:
                sizes[c] += gate / min(own - 200, 6000) * (min(square, limit) - sizes[c])
        if own > 200:
            k, more = gate / min(own - 200, 6000), float(own < 500)
            limits = 9 * (self.N[c, :3] + grain * WHITE) + more
            self.N[c, :3] += k * (np.minimum(self.A[c, :3] ** 2, limits) - self.N[c, :3])
            error = energy - self.energy[c]
            self.energy[c] += k * np.clip(error, -1, 1)
            self.N[c, 3] += k * (min(error * error, 9 * self.N[c, 3] + more) - self.N[c, 3])

    def unexplained(self, v, blamed, known):
        """What the `known` lines are off when the `blamed` ones are not heard, and nine for each of these."""
        v = v.copy()
        for _ in range(8 if blamed.sum() > 1 else 1):
            for c in np.flatnonzero(blamed):
                own = slice(3 * c, 3 * c + 3)
                v[own] -= np.linalg.solve(self.L[own, own], self.L[own] @ v)
        off = np.minimum((self.residuals(v) / self.usual) ** 2, 100.0)
        return 9.0 * blamed.sum() + off[known & ~blamed].sum()

    def rest(self, c):
        """Nothing has been gathered against the line."""
        self.A[c] = 0.0, 0.0, 0.0, math.exp(self.energy[c]) - 0.1
        self.level[c], self.alarm[c], self.shut[c] = 0.0, 0.0, False

    def blame(self, v, known):
        """Shut the one line in alarm or near it that explains this row better than all shut ones."""
        shown = self.unexplained(v, self.shut & known, known)
        best, culprit = 0.0, None
        for c in np.flatnonzero(known & ~self.shut & (self.level > 0.6)):
            gain = shown - 9.0 - self.unexplained(v, np.arange(self.n) == c, known)
            if gain > best:
                best, culprit = gain, c
        if culprit is None:
            return
        noticed = self.level[culprit]
        for c in range(self.n):
            if c == culprit or not (self.shut[c] or self.level[c] > 0.6):
                continue
            noticed = max(noticed, self.level[c])
            was_shut = self.shut[c]
            self.rest(c)
            if was_shut:
                self.alarms[c] = max(self.alarms[c] - self.learning, 0.0)
                self.used[c] = self.real[c]
        self.blamed += 1
        self.A[culprit, :3] *= noticed / self.level[culprit]
        self.level[culprit] = noticed
        self.shut[culprit] = True
        self.alarms[culprit] += self.learning

    def learn(self, held, here, residual, rate, say):
        n = self.n
        doubted = held & here & ~self.shut
        for c in np.flatnonzero(doubted):
            beyond = max(abs(residual[c]) - 10 * self.usual[c], 0.0)
            say(c, self.real[c, 0] - math.copysign(beyond, residual[c]))
        for c in np.flatnonzero(here & ~doubted & (self.own > 50) & (self.variance > 0)):
            limit = 10 * math.sqrt(self.variance[c])
            if abs(self.used[c, 0] - self.mean[c, 0]) > limit:
                say(c, self.mean[c, 0] + np.clip(self.used[c, 0] - self.mean[c, 0], -limit, limit))
        if not self.learning:
            return
        deviation = (self.used - self.mean).ravel()
        slow = 1 / np.clip(self.own, 1, 6000)
        self.show(here)
        off = self.used[:, 0] - np.where(here, self.real[:, 0] - residual, self.used[:, 0])
        moves = slow.min() * deviation.reshape(n, 3) + ((slow - slow.min()) * off)[:, None]
        self.mean[self.unit > 0] += moves[self.unit > 0]
        read = (1 - slow) * (self.variance + slow * deviation[::3] ** 2) + slow * self.size * self.shut
        self.variance = np.where(here, read, self.variance)
        pace = np.repeat(slow, 3)
        keep, taken = np.sqrt(1 - pace), np.sqrt(pace * (1 - pace)) * deviation
        self.S = np.outer(keep, keep) * self.S + np.outer(taken, taken)
        for c in np.flatnonzero(~here | self.shut):
            own, a, b = slice(3 * c, 3 * c + 3), rate[c][:, None], rate[c][None, :]
            self.S[own, own] += slow[c] * self.size[c] * a * b / (a + b - a * b)

    def show(self, here):
        """Widen what the lines have shown to their readings, but by a share of it at most; the first is within."""
        x, wide = self.real[:, 0], BEYOND * (self.high - self.low)
        wide = np.where(wide > 0, wide, np.inf)
        low = np.minimum(self.low, np.maximum(x, self.low - wide))
        high = np.maximum(self.high, np.minimum(x, self.high + wide))
        self.low, self.high = np.where(here, low, self.low), np.where(here, high, self.high)

    def renew(self):
        young = np.maximum(self.d / np.maximum(self.own, 1), self.n / np.maximum(self.resolution.moves, 1))
        known = np.repeat(self.own >= 50, 3)
        variance = np.diag(self.S)
        with np.errstate(divide="ignore"):
            self.scale = np.where(known & (variance > 0), 1 / np.sqrt(variance), 0.0)
        both = np.outer(self.scale, self.scale)
        Q = self.S * both + np.diag(1e-5 + 0.5 * np.repeat(young, 3) ** 2 + (self.scale == 0))
        self.L = np.linalg.inv(Q) * both
        for c in range(self.n):
            own = slice(3 * c, 3 * c + 3)
            others = np.delete(np.arange(self.d), own)
            self.others[c][np.ix_(others, others)] = np.linalg.inv(Q[np.ix_(others, others)])
            if self.L[3 * c, 3 * c] > 0:
                self.gain[c] = np.linalg.inv(self.L[own, own])[0]
