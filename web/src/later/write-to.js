import { navigate } from '../routes.js';
import { openDirect } from '../state/chats.js';
import { focusRequests } from '../state/compose.js';
import { refused } from '../ui/toast.js';

/** Leaves a dialog for the direct chat with somebody. @param {string} userId @param {() => void} close */
export async function writeTo(userId, close) {
  try {
    const { id } = await openDirect(userId);
    close();
    navigate(`/c/${id}`);
    // After the dialog has given the focus back.
    setTimeout(() => focusRequests.value++);
  } catch (error) {
    refused(error);
  }
}
