"""Run inside QGIS by screenshots.py: open a GeoPackage of results, save the window as a picture."""

import os

from qgis.core import QgsApplication, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QDockWidget
from qgis.utils import iface

GEOPACKAGE, PICTURE = os.environ["URC_GEOPACKAGE"], os.environ["URC_PICTURE"]


def show():
    """Open the stored project, or else the parcels, and wait until they are drawn."""
    window, canvas, project = iface.mainWindow(), iface.mapCanvas(), QgsProject.instance()
    window.resize(1400, 900)
    storage = QgsApplication.projectStorageRegistry().projectStorageFromType("geopackage")
    stored = storage.listProjects(f"geopackage:{GEOPACKAGE}")
    if stored:
        iface.addProject(f"geopackage:{GEOPACKAGE}?projectName={stored[0]}")
    else:
        layer = QgsVectorLayer(f"{GEOPACKAGE}|layername=parcels", "parcels", "ogr")
        project.addMapLayer(layer)
        canvas.setExtent(layer.extent())
    for dock in window.findChildren(QDockWidget):
        dock.setVisible(dock.objectName() == "Layers")
    canvas.mapCanvasRefreshed.connect(lambda: QTimer.singleShot(1000, save))
    canvas.refresh()


def save():
    """Save the window; QGIS is left without its questions about saving."""
    iface.mainWindow().grab().save(PICTURE)
    os._exit(0)


QTimer.singleShot(1500, show)
