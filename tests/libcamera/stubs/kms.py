"""In place of kmsxx, which only Raspberry Pi OS has: picamera2 imports it for previews on a screen."""


class _Formats:
    def __getattr__(self, name: str) -> str:
        return name


PixelFormats = PixelFormat = _Formats()
