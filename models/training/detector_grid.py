"""The detector's geometry: input size, stride, grid. Kept apart so that data processes need no Keras."""

HEIGHT_PX = 240
WIDTH_PX = 320
STRIDE_PX = 8
ROWS = HEIGHT_PX // STRIDE_PX
COLUMNS = WIDTH_PX // STRIDE_PX
