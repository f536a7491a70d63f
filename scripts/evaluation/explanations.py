"""The report's words: what columns and figures mean, for a reader who has not seen the code. Text only."""

LEGEND = """
<details><summary>What the columns mean</summary><p><b>Read exactly</b>: some reading in the picture equals the plate's
text, character by character. <b>O=0, I=1</b>: the same when these pairs, which look alike on many plates, count as
equal. <b>Wrong characters</b>: changed, lost and added ones over the text's length; an unread plate counts as all
wrong. <b>Found</b>: a box of the node overlaps the labelled one by half or more (IoU 0.5). <b>Misread</b>: a wrong text
on a plate. <b>Spurious</b>: a text where no plate is. <b>Country right</b>: of the plates for which the node named a
country and the label has one. <b>Calibration error</b>: how far the confidence is from the share that is right, on
average. Small figures under a share are its 95 % interval (Wilson): with few plates it is wide, and two shares whose
intervals overlap may be equal. Splits: the models learnt from <i>train</i>; only <i>dev</i> says how they read what
they have not seen.</p></details>"""

CONFIDENCE = """
<p>A reading with confidence 90 % should be right nine times in ten: then its dot lies on the diagonal. The calibration
error is the mean distance from it, weighed by the number of readings (ten equal bins). With few wrong readings all of
this is uncertain; look at the intervals.</p>"""

ROBUSTNESS = """
<p>{plates} plates, each made worse in one way at a time before it is read (always the same way: fixed seed). Full line:
share read exactly, with its interval; upright dashes: where it falls under 95 % of the share read undamaged, by a
straight line between two levels; dashed line near the bottom: readings that the node would have been sure of
(confidence 97 % and more) and that are wrong. Only reading is tested here, not finding.</p>"""

EMPTINESS = """
<p>Pictures in which nothing is to be read: every labelled plate painted over (its frame and shadow may remain), and all
black, all white, noise and stripes. Each picture counts once, by its surest reading. Painted pictures of the training
split have rows of their own. The shares are upper bounds: many such readings are of second plates that nobody labelled;
look at the pictures.</p>"""

CONFUSION = """
Down: the character on the plate; across: what was read; “{nothing}”: none. Grey is right, red is wrong."""

FAILURES = """
<p>Orange: the labelled place; green: where the node saw the plate. Wrong characters are underlined.</p>"""

PRIVACY = """
All weights int8, as the node runs them. The pictures below show real number plates: treat this file as personal
data."""
