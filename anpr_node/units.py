"""How many of one unit of time go into another: the units that names here end with."""

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_H = 3_600 * NS_PER_S
NS_PER_DAY = 24 * NS_PER_H
US_PER_S = 1_000_000
