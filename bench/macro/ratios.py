"""What may be said of two rows that were measured by turns. Rounds are pairs: what disturbs the machine in one of them
disturbs both rows, so that the ratio is taken in each round and its logarithm averaged. The interval is Student's, of 95 %.
A difference that the interval does not show is not called one."""
import math, statistics

# Student's t, two-sided 95 %, by degrees of freedom 1 to 30.
T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101,
     2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]


class Ratio:
    def __init__(self, ours, theirs):
        """Lists of the same rounds; those in which one of them has no figure (None) are left out."""
        pairs = [(a, b) for a, b in zip(ours, theirs) if a and b]
        logs = [math.log(a / b) for a, b in pairs]
        self.rounds = len(logs)
        middle = statistics.fmean(logs)
        margin = math.inf if self.rounds < 2 else T[min(self.rounds - 2, len(T) - 1)] * statistics.stdev(logs) / math.sqrt(self.rounds)
        self.value = math.exp(middle)
        self.low = 0.0 if margin == math.inf else math.exp(middle - margin)
        self.high = math.exp(middle + margin) if margin < 700 else math.inf

    def word(self):
        if self.high < 1:
            return "less"
        return "more" if self.low > 1 else "no difference shown"

    def against(self, bar):
        if self.high <= bar:
            return "met"
        if self.low > bar:
            return "missed"
        return "not shown" + (", by the mean it is met" if self.value <= bar else ", by the mean it is missed")

    def __str__(self):
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def best(rows):
    """The name of the row with the least median."""
    return min(rows, key=lambda name: statistics.median(x for x in rows[name] if x))
