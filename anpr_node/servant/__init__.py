"""What answers the technician's console inside the running node, and where."""

from anpr_node.servant.door import short_path, socket_path
from anpr_node.servant.servant import Servant

__all__ = ["Servant", "short_path", "socket_path"]
